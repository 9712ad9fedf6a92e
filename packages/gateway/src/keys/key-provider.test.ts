import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyProviderSuite } from "@tessera/testkit/store/key-provider-suite";
import {
  noSoftToken,
  noSoftTpm,
  type SoftToken,
  type SoftTpm,
  startSoftToken,
  startSoftTpm,
} from "@tessera/testkit/store/soft-tokens";
import { seededTemplate } from "@tessera/testkit/store/store-state";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../store/open.ts";
import { fileKeyProvider } from "./file-key.ts";
import { readPassphrase } from "./passphrase.ts";
import { pkcs11KeyProvider } from "./pkcs11-key.ts";
import { runTool } from "./tool.ts";
import { tpm2Anchor } from "./tpm2-anchor.ts";
import { tpm2KeyProvider } from "./tpm2-key.ts";

describe("the key provider over a passphrase", () => {
  keyProviderSuite({
    mine: () => fileKeyProvider(Buffer.from("correct horse battery")),
    other: () => fileKeyProvider(Buffer.from("correct horse batterz")),
  });

  it("refuses cheap and ruinous costs, its own and those of a wrapped key", async () => {
    const code = { code: "KEY_REJECTED" };
    for (const cost of [2 ** 14, 2 ** 21, 40_000]) {
      expect(() => fileKeyProvider(Buffer.from("correct horse battery"), { cost })).toThrow(expect.objectContaining(code));
    }
    const keys = fileKeyProvider(Buffer.from("correct horse battery"));
    const wrapped = Buffer.from(await keys.wrap(new Uint8Array(32), new Uint8Array(0)));
    for (const cost of [2 ** 10, 2 ** 30]) {
      wrapped.writeUInt32LE(cost);
      await expect(keys.unwrap(wrapped, new Uint8Array(0))).rejects.toMatchObject(code);
    }
  });
});

describe("a passphrase", () => {
  it("comes from a file that is its owner's alone, or from a variable that is gone afterwards", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tessera-passphrase-"));
    try {
      await writeFile(join(dir, "mine"), "correct horse\r\n", { mode: 0o600 });
      expect(Buffer.from(await readPassphrase({ kind: "file", path: join(dir, "mine") })).toString()).toBe("correct horse");
      for (const [name, mode, text] of [
        ["open", 0o640, "correct horse"],
        ["short", 0o600, "horse\n"],
        ["long", 0o600, "h".repeat(5000)],
      ] as const) {
        await writeFile(join(dir, name), text, { mode });
        const reading = readPassphrase({ kind: "file", path: join(dir, name) });
        await expect(reading, name).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
        await expect(reading).rejects.not.toThrow(/horse/);
      }
      await expect(readPassphrase({ kind: "file", path: join(dir, "none") })).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
    process.env["TESSERA_TEST_PASSPHRASE"] = "correct horse";
    expect(Buffer.from(await readPassphrase({ kind: "env", name: "TESSERA_TEST_PASSPHRASE" })).toString()).toBe("correct horse");
    expect(process.env["TESSERA_TEST_PASSPHRASE"]).toBeUndefined();
    await expect(readPassphrase({ kind: "env", name: "TESSERA_TEST_PASSPHRASE" })).rejects.toMatchObject({
      code: "KEY_UNAVAILABLE",
    });
  });
});

describe("the key provider over a TPM", () => {
  const skip = noSoftTpm();
  if (skip !== undefined) {
    it.skip(`cannot be tested: ${skip}`);
    return;
  }
  let [first, second]: (SoftTpm | undefined)[] = [];
  beforeAll(async () => {
    [first, second] = [await startSoftTpm(), await startSoftTpm()];
  });
  afterAll(async () => {
    await first?.stop();
    await second?.stop();
  });
  const at = (tpm: SoftTpm | undefined) => ({ tcti: tpm?.tcti ?? "" });

  keyProviderSuite({ mine: () => tpm2KeyProvider(at(first)), other: () => tpm2KeyProvider(at(second)) });

  it("keeps a key shut after another boot chain, when it is bound to registers", async () => {
    const keys = tpm2KeyProvider({ ...at(first), pcrs: "sha256:7,16" });
    const wrapped = await keys.wrap(Buffer.alloc(32, 7), new Uint8Array(0));
    expect(Buffer.from(await keys.unwrap(wrapped, new Uint8Array(0)))).toEqual(Buffer.alloc(32, 7));
    await expect(tpm2KeyProvider(at(first)).unwrap(wrapped, new Uint8Array(0))).rejects.toMatchObject({ code: "KEY_REJECTED" });
    await runTool("tpm2", ["pcrextend", `16:sha256=${"01".repeat(32)}`], { env: { TPM2TOOLS_TCTI: at(first).tcti } });
    await expect(keys.unwrap(wrapped, new Uint8Array(0))).rejects.toMatchObject({ code: "KEY_REJECTED" });
    expect(() => tpm2KeyProvider({ pcrs: "sha256:0; reboot" })).toThrow(expect.objectContaining({ code: "KEY_UNAVAILABLE" }));
  });

  it("says that no TPM can be asked when there is none", async () => {
    const none = tpm2KeyProvider({ tcti: "device:/dev/null/none" });
    await expect(none.wrap(new Uint8Array(32), new Uint8Array(0))).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
  });

  it("anchors a store: a whole older copy of the folder does not open", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tessera-anchor-"));
    const anchor = tpm2Anchor({ index: "0x1500016", ...at(first) });
    const keys = fileKeyProvider(Buffer.from("correct horse battery"));
    const open = () => openStore({ dir: join(dir, "now"), deviceId: "device", keys, anchor });
    try {
      const store = await open();
      await store.templates.enrol([seededTemplate("anna", 1)]);
      await store.close();
      await runTool("cp", ["-r", join(dir, "now"), join(dir, "then")]);
      const again = await open();
      await again.templates.remove("anna");
      await again.close();
      await (await open()).close();
      await rm(join(dir, "now"), { recursive: true });
      await runTool("cp", ["-r", join(dir, "then"), join(dir, "now")]);
      await expect(open()).rejects.toMatchObject({ code: "STORE_ROLLED_BACK" });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});

describe("the key provider over a PKCS#11 token", () => {
  const skip = noSoftToken();
  if (skip !== undefined) {
    it.skip(`cannot be tested: ${skip}`);
    return;
  }
  let token: SoftToken | undefined;
  beforeAll(() => {
    token = startSoftToken();
  });
  afterAll(() => token?.stop());
  const options = () => ({ module: "", tokenLabel: "", keyId: "00", pin: new Uint8Array(0), ...token });

  keyProviderSuite({
    mine: () => pkcs11KeyProvider(options()),
    other: () => pkcs11KeyProvider({ ...options(), keyId: token?.otherId ?? "00" }),
  });

  it("refuses a wrong PIN, and does not repeat it", async () => {
    const wrapped = await pkcs11KeyProvider(options()).wrap(new Uint8Array(32), new Uint8Array(0));
    const wrong = pkcs11KeyProvider({ ...options(), pin: Buffer.from("97531") }).unwrap(wrapped, new Uint8Array(0));
    await expect(wrong).rejects.toMatchObject({ code: "KEY_REJECTED" });
    await expect(wrong).rejects.not.toThrow(/97531/);
  });

  it("says that the token is not there", async () => {
    const none = pkcs11KeyProvider({ ...options(), tokenLabel: "another" });
    await expect(none.wrap(new Uint8Array(32), new Uint8Array(0))).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
  });
});
