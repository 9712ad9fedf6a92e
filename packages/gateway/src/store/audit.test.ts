import { createHash } from "node:crypto";
import { seededRandom } from "@tessera/core/base/random";
import { FakeDisk } from "@tessera/testkit/store/fake-disk";
import { quickKeys } from "@tessera/testkit/store/quick-keys";
import { describe, expect, it } from "vitest";
import { type OpenStore, openStore } from "./open.ts";

function open(fs: FakeDisk, limits: { auditBytes?: number; auditGenerations?: number } = {}): Promise<OpenStore> {
  const clock = { wallMs: () => 1_700_000_000_000, monotonicMs: () => 0 };
  return openStore({ dir: "/gateway", deviceId: "device", keys: quickKeys(), fs, clock, limits });
}

describe("the audit log", () => {
  it("chains entries by a hash that anybody can compute again", async () => {
    const { audit } = await open(new FakeDisk(seededRandom(1)));
    await audit.append("verify", { subject: "anna", detail: { outcome: "accept", attempt: 2, live: true } });
    await audit.append("start");
    const [first, second] = await audit.read(1, 10);
    const text =
      '{"at":"2023-11-14T22:13:20.000Z","detail":{"attempt":2,"live":true,"outcome":"accept"},"event":"verify","sequence":1,"subject":"anna"}';
    const hash = createHash("sha256")
      .update(`${"0".repeat(64)}\n${text}`)
      .digest("hex");
    expect(first?.hash).toBe(hash);
    const next = '{"at":"2023-11-14T22:13:20.000Z","event":"start","sequence":2}';
    expect(second?.hash).toBe(createHash("sha256").update(`${hash}\n${next}`).digest("hex"));
  });

  it("reads from any entry on, over files and restarts, and drops the oldest files only", async () => {
    const disk = new FakeDisk(seededRandom(1));
    const limits = { auditBytes: 3000, auditGenerations: 2 };
    let store = await open(disk, limits);
    for (let i = 1; i <= 60; i++) {
      await store.audit.append("event", { detail: { i } });
      if (i % 13 !== 0) continue;
      await store.close();
      store = await open(disk, limits);
    }
    const all = await store.audit.read(1, 1000);
    expect(all.at(-1)?.sequence).toBe(60);
    const first = all[0]?.sequence ?? 0;
    expect(first).toBeGreaterThan(1);
    expect(all.map((entry) => entry.sequence)).toEqual(Array.from({ length: 61 - first }, (_, i) => first + i));
    expect(await store.audit.read(58, 2)).toEqual(all.filter(({ sequence }) => sequence === 58 || sequence === 59));
    expect(await store.audit.read(61, 10)).toEqual([]);
    expect(await store.audit.verify()).toEqual({ entries: all.length, first, last: 60, hash: all.at(-1)?.hash });
    expect([...disk.dump().keys()].filter((name) => /audit-\d/.test(name)).length).toBe(3);
    await store.close();
  });

  it("takes what comes at once in one flush, in order", async () => {
    const disk = new FakeDisk(seededRandom(1));
    const { audit } = await open(disk);
    const before = disk.operations;
    await Promise.all(Array.from({ length: 50 }, (_, i) => audit.append(`event ${i}`)));
    expect(disk.operations - before).toBeLessThan(20);
    expect((await audit.read(1, 100)).map(({ event }) => event)).toEqual(Array.from({ length: 50 }, (_, i) => `event ${i}`));
  });

  it("notices an archive that was removed, cut or changed while the gateway runs", async () => {
    const disk = new FakeDisk(seededRandom(1));
    const store = await open(disk, { auditBytes: 1000, auditGenerations: 9 });
    for (let i = 0; i < 20; i++) await store.audit.append("event");
    await store.close();
    const files = disk.dump();
    const archive = [...files.keys()].find((name) => name.includes("audit-2.")) ?? "";
    const bytes = files.get(archive) ?? new Uint8Array(0);
    for (const altered of [undefined, bytes.slice(0, -200), bytes.with(300, (bytes[300] ?? 0) ^ 1), new Uint8Array(0)]) {
      const broken = new FakeDisk(seededRandom(1));
      const copy = new Map(files);
      if (altered === undefined) copy.delete(archive);
      else copy.set(archive, altered);
      broken.load(copy);
      const again = await open(broken, { auditBytes: 1000, auditGenerations: 9 });
      await expect(again.audit.verify()).rejects.toMatchObject({ code: "STORE_DAMAGED" });
      await expect(again.audit.read(1, 5)).rejects.toMatchObject({ code: "STORE_DAMAGED" });
      await again.close();
    }
  });
});
