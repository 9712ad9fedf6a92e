import { seededRandom } from "@tessera/core/base/random";
import { FakeDisk } from "@tessera/testkit/store/fake-disk";
import { quickKeys } from "@tessera/testkit/store/quick-keys";
import { seededTemplate, unitVector } from "@tessera/testkit/store/store-state";
import { describe, expect, it } from "vitest";
import { type OpenStore, openStore } from "./open.ts";

const keys = quickKeys();

function open(fs: FakeDisk, limits = {}): Promise<OpenStore> {
  return openStore({ dir: "/gateway", deviceId: "device", keys, fs, limits });
}

function journal(disk: FakeDisk): Buffer {
  const [found] = [...disk.dump()].filter(([name]) => /templates-\d+\.journal$/.test(name));
  return Buffer.from(found?.[1] ?? new Uint8Array(0));
}

describe("what is deleted", () => {
  it("is no longer in the file when its deletion is acknowledged, sealed as it was, nor when it was replaced or renewed", async () => {
    const disk = new FakeDisk(seededRandom(1));
    const store = await open(disk);
    const pieces = async (work: () => Promise<unknown>) => {
      const before = journal(disk);
      await work();
      // The last record of a file is the newest template: its last bytes before the chain code are its ciphertext's.
      return { before, after: journal(disk) };
    };
    await store.templates.enrol([seededTemplate("anna", 1)]);
    for (const work of [
      () => store.templates.renew("anna"),
      () => store.templates.enrol([seededTemplate("anna", 2)]),
      () => store.templates.remove("anna"),
    ]) {
      const { before, after } = await pieces(work);
      // Any 24 bytes of the old file behind its header that are still there would be remains; the snapshot seals everything but vectors anew.
      let remains = 0;
      for (let at = 72; at + 24 <= before.length; at += 8) if (after.includes(before.subarray(at, at + 24))) remains++;
      expect(remains).toBe(0);
    }
    await store.close();
  });

  it("does not make the file grow for ever", async () => {
    const disk = new FakeDisk(seededRandom(1));
    const store = await open(disk);
    let longest = 0;
    for (let i = 0; i < 14; i++) {
      await Promise.all(Array.from({ length: 500 }, (_, key) => store.lockout.failed(`key ${key}`)));
      longest = Math.max(longest, journal(disk).length);
    }
    // 7,000 records of 250 bytes were written, 500 of them count.
    expect(longest).toBeLessThan(1.4 * 2 ** 20);
    expect(longest).toBeGreaterThan(0.8 * 2 ** 20);
    expect(store.lockout.check("key 7")).toMatchObject({ allowed: false });
    expect([...disk.dump().keys()].filter((name) => name.includes("templates-")).length).toBe(1);
    await store.close();
  });

  it("opens no more with the old data key after a rotation", async () => {
    const disk = new FakeDisk(seededRandom(1));
    const store = await open(disk);
    await store.templates.enrol([seededTemplate("anna", 1)]);
    const old = disk.dump();
    await store.compact({ rotate: true });
    await store.close();
    const mixed = new Map(disk.dump());
    for (const [name, bytes] of old) if (name.endsWith("keys.json")) mixed.set(name, bytes);
    const other = new FakeDisk(seededRandom(1));
    other.load(mixed);
    await expect(open(other)).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    const again = await open(disk);
    expect(again.templates.score("anna", { modality: "face", space: "space", vector: unitVector(1) })).toBeCloseTo(1, 5);
    await again.close();
  });
});

describe("what the store refuses", () => {
  it("is a vector that is not of length 1, has another length than the others, or is one too many; all or none", async () => {
    const store = await open(new FakeDisk(seededRandom(1)), { templates: 2, dimension: 64 });
    const refused = (code: string, ...templates: Parameters<typeof store.templates.enrol>[0]) =>
      expect(store.templates.enrol(templates)).rejects.toMatchObject({ code });
    const anna = seededTemplate("anna", 1);
    for (const vector of [
      new Float32Array(16),
      anna.vector.map((value) => 2 * value),
      anna.vector.with(0, Number.NaN),
      new Float32Array(0),
      unitVector(1, 65),
    ]) {
      await refused("SHAPE_MISMATCH", { ...anna, vector });
    }
    await refused("LIMIT_EXCEEDED", { ...anna, subject: "" });
    await refused("LIMIT_EXCEEDED", { ...anna, subject: "a".repeat(257) });
    await refused("LIMIT_EXCEEDED", anna, anna);
    await refused("STORE_FULL", anna, seededTemplate("ben", 2), seededTemplate("cleo", 3));
    expect(store.templates.list()).toEqual([]);
    await store.templates.enrol([anna, seededTemplate("ben", 2)]);
    await refused("SHAPE_MISMATCH", { ...seededTemplate("anna", 1), vector: unitVector(1, 32) });
    // Replacing needs no room.
    await store.templates.enrol([seededTemplate("anna", 5)]);
    expect(store.templates.list().length).toBe(2);
    await expect(store.templates.renew("cleo")).rejects.toMatchObject({ code: "DATA_MISSING" });
    expect(await store.templates.remove("cleo")).toBe(0);
    expect(() => store.templates.score("anna", { modality: "face", space: "space", vector: new Float32Array(3) })).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    );
    await store.close();
  });

  it("is written in full or not at all when the disk is full, and goes on when there is room again", async () => {
    const disk = new FakeDisk(seededRandom(1));
    const store = await open(disk);
    await store.templates.enrol([seededTemplate("anna", 1)]);
    for (const partly of [false, true]) {
      disk.failAfter(0, { kind: "error", errno: "ENOSPC", partly });
      await expect(store.templates.enrol([seededTemplate("ben", 2)])).rejects.toMatchObject({ code: "STORE_FULL" });
      expect(store.templates.list().map(({ subject }) => subject)).toEqual(["anna"]);
      disk.heal();
    }
    await store.templates.enrol([seededTemplate("ben", 2)]);
    await store.close();
    const again = await open(disk);
    expect(again.templates.list().map(({ subject }) => subject)).toEqual(["anna", "ben"]);
    await again.close();
  });
});
