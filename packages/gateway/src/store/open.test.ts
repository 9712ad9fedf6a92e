import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fileKeyProvider } from "../keys/file-key.ts";
import { openStore } from "./open.ts";
import type { NewTemplate } from "./template-store.ts";
import { VectorIndex } from "./vector-index.ts";

const keys = fileKeyProvider(Buffer.from("correct horse battery"));
const random = seededRandom(7);
let dir = "";

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tessera-store-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

function unit(dimension = 128): Float32Array {
  const raw = Array.from({ length: dimension }, () => random.normal());
  const length = Math.hypot(...raw);
  return Float32Array.from(raw, (value) => value / length);
}

function template(subject: string, vector: Float32Array, modality: NewTemplate["modality"] = "face"): NewTemplate {
  return { subject, modality, space: "space-1", vector, samples: 3 };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

describe("the store", () => {
  it("has after a restart what was acknowledged before", async () => {
    const [anna, ben, probe] = [unit(), unit(), unit()];
    const first = await openStore({ dir, deviceId: "device-1", keys });
    await first.templates.enrol([template("anna", anna), template("anna", ben, "voice")]);
    await first.templates.enrol([template("ben", ben)]);
    expect(await first.templates.remove("anna", "voice")).toBe(1);
    await first.audit.append("enrolled", { subject: "anna", detail: { b: 1, a: true } });
    for (let i = 0; i < 5; i++) await first.lockout.failed("ben");
    const list = first.templates.list();
    await first.close();

    const second = await openStore({ dir, deviceId: "device-1", keys });
    expect(second.templates.list()).toEqual(list);
    expect(second.templates.score("anna", { modality: "face", space: "space-1", vector: probe })).toBeCloseTo(
      cosine(anna, probe),
      5,
    );
    expect(second.templates.score("anna", { modality: "voice", space: "space-1", vector: probe })).toBeUndefined();
    expect(second.templates.search({ modality: "face", space: "space-1", vector: ben }, 5).map((c) => c.subject)).toEqual([
      "ben",
      "anna",
    ]);
    expect(second.lockout.check("ben")).toMatchObject({ allowed: false, needsPrimary: false });
    expect(second.lockout.check("anna")).toEqual({ allowed: true });
    expect(await second.audit.read(1, 10)).toMatchObject([{ sequence: 1, event: "enrolled", subject: "anna" }]);
    await second.close();
  });

  it("compares as much for somebody who is not enrolled as for somebody who is: the time must not tell them apart", async () => {
    const store = await openStore({ dir, deviceId: "device-1", keys });
    await store.templates.enrol([template("anna", unit())]);
    const compared = vi.spyOn(VectorIndex.prototype, "score");
    try {
      const scores = ["anna", "nobody"].map((subject) => {
        compared.mockClear();
        const score = store.templates.score(subject, { modality: "face", space: "space-1", vector: unit() });
        return [typeof score, compared.mock.calls.length];
      });
      expect(scores).toEqual([
        ["number", 1],
        ["undefined", 1],
      ]);
      await store.templates.remove("anna");
      expect(store.templates.score("anna", { modality: "face", space: "space-1", vector: unit() })).toBeUndefined();
    } finally {
      compared.mockRestore();
      await store.close();
    }
  });

  it("opens for nobody else: another passphrase, another device, a second process", async () => {
    const store = await openStore({ dir, deviceId: "device-1", keys });
    await expect(openStore({ dir, deviceId: "device-1", keys })).rejects.toMatchObject({ code: "STORE_BUSY" });
    await store.close();
    await expect(openStore({ dir, deviceId: "device-2", keys })).rejects.toMatchObject({ code: "KEY_REJECTED" });
    const other = fileKeyProvider(Buffer.from("another passphrase"));
    await expect(openStore({ dir, deviceId: "device-1", keys: other })).rejects.toMatchObject({ code: "KEY_REJECTED" });
  });

  it("renews and rotates without changing a score, and writes no name and no vector in the clear", async () => {
    const [anna, probe] = [unit(192), unit(192)];
    const store = await openStore({ dir, deviceId: "device-1", keys });
    const [before] = await store.templates.enrol([template("anna-with-a-long-name", anna)]);
    expect(await store.templates.renew("anna-with-a-long-name")).toBe(1);
    const [after] = store.templates.list();
    expect(after?.id).not.toBe(before?.id);
    await store.compact({ rotate: true });
    await store.close();
    const again = await openStore({ dir, deviceId: "device-1", keys });
    const score = again.templates.score("anna-with-a-long-name", { modality: "face", space: "space-1", vector: probe });
    expect(score).toBeCloseTo(cosine(anna, probe), 5);
    await again.close();
    for (const name of await readdir(join(dir, "store"))) {
      const bytes = await readFile(join(dir, "store", name));
      expect(bytes.includes("anna-with")).toBe(false);
      expect(bytes.includes(Buffer.from(anna.buffer, 0, 16))).toBe(false);
    }
  });
});
