import { seededRandom } from "@tessera/core/base/random";
import { FakeDisk } from "@tessera/testkit/store/fake-disk";
import { quickKeys } from "@tessera/testkit/store/quick-keys";
import { describe, expect, it } from "vitest";
import { costOf, LOCKOUT_POLICY } from "./lockout-policy.ts";
import { type OpenStore, openStore } from "./open.ts";

/** A store whose clocks are set by hand; `monotonic` begins anew with each opening, as after a restart. */
function machine() {
  const disk = new FakeDisk(seededRandom(1));
  const clock = { wall: 1_700_000_000_000, monotonic: 0 };
  return {
    disk,
    clock,
    open(limits = {}): Promise<OpenStore> {
      clock.monotonic = 5;
      const clocks = { wallMs: () => clock.wall, monotonicMs: () => clock.monotonic };
      return openStore({ dir: "/gateway", deviceId: "device", keys: quickKeys(), fs: disk, clock: clocks, limits });
    },
  };
}

async function fail(store: OpenStore, times: number, key = "anna"): Promise<void> {
  for (let i = 0; i < times; i++) await store.lockout.failed(key);
}

const FREE = { allowed: true };
const waits = (retryAfterMs: number, needsPrimary = false) => ({ allowed: false, retryAfterMs, needsPrimary });

describe("the lock-out", () => {
  it("lets four wrong tries pass, and after the fifth asks for 30 seconds, then for ever longer", async () => {
    const { open, clock } = machine();
    const { lockout } = await open();
    for (let i = 0; i < 4; i++) {
      await lockout.failed("anna");
      expect(lockout.check("anna")).toEqual(FREE);
    }
    for (const wait of [30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000]) {
      await lockout.failed("anna");
      expect(lockout.check("anna")).toEqual(waits(wait));
      clock.monotonic += wait - 1;
      expect(lockout.check("anna")).toEqual(waits(1));
      clock.monotonic += 1;
      expect(lockout.check("anna")).toEqual(FREE);
    }
    expect(lockout.check("ben")).toEqual(FREE);
  });

  it("begins anew after a right try, but not once the primary credential is needed", async () => {
    const { open, clock } = machine();
    const store = await open();
    await fail(store, 5);
    await store.lockout.passed("anna");
    expect(store.lockout.check("anna")).toEqual(FREE);
    await fail(store, 20);
    clock.monotonic += 1e9;
    expect(store.lockout.check("anna")).toEqual(waits(0, true));
    await store.lockout.passed("anna");
    expect(store.lockout.check("anna")).toEqual(waits(0, true));
    await store.lockout.unlock("anna");
    expect(store.lockout.check("anna")).toEqual(FREE);
    await fail(store, 4);
    expect(store.lockout.check("anna")).toEqual(FREE);
  });

  it("survives a restart: the wait goes on, the count stays", async () => {
    const { open, clock } = machine();
    const first = await open();
    await fail(first, 5);
    await first.close();
    clock.wall += 10_000;
    const second = await open();
    expect(second.lockout.check("anna")).toEqual(waits(20_000));
    clock.monotonic += 20_000;
    expect(second.lockout.check("anna")).toEqual(FREE);
    await fail(second, 1);
    expect(second.lockout.check("anna")).toEqual(waits(60_000));
    await second.close();
  });

  it("is not opened by setting the clock: not forward while it runs, not back across a restart", async () => {
    const { open, clock } = machine();
    const first = await open();
    await fail(first, 5);
    clock.wall += 1e12;
    expect(first.lockout.check("anna")).toEqual(waits(30_000));
    clock.wall -= 2e12;
    expect(first.lockout.check("anna")).toEqual(waits(30_000));
    await first.close();

    const second = await open();
    expect(second.lockout.check("anna")).toEqual(waits(30_000));
    // Counted under a clock that was set back, the try is on record no earlier than anything before it.
    await fail(second, 1);
    await second.close();
    clock.wall += 0.9e12;
    const third = await open();
    expect(third.lockout.check("anna")).toEqual(waits(60_000));
    await third.close();
  });

  it("counts every one of many tries at once, in one flush or several", async () => {
    const { open, disk } = machine();
    const store = await open();
    const before = disk.operations;
    await Promise.all(Array.from({ length: 12 }, () => store.lockout.failed("anna")));
    expect(disk.operations - before).toBeLessThan(20);
    expect(store.lockout.check("anna")).toEqual(waits(costOf(LOCKOUT_POLICY, 12).waitMs));
    await store.close();
    const again = await open();
    expect(again.lockout.check("anna")).toEqual(waits(costOf(LOCKOUT_POLICY, 12).waitMs));
    await again.close();
  });

  it("lets no more than five through when a hundred tries of one key come at once, each in its turn", async () => {
    const { open } = machine();
    const { lockout } = await open();
    let tried = 0;
    const attempt = (key: string) =>
      lockout.exclusive(key, async () => {
        if (!lockout.check(key).allowed) return;
        tried++;
        await lockout.failed(key);
      });
    await Promise.all(Array.from({ length: 100 }, () => attempt("anna")));
    expect(tried).toBe(5);
    await expect(lockout.exclusive("anna", () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    await expect(lockout.exclusive("anna", async () => "works")).resolves.toBe("works");
  });

  it("refuses to forget one name for another when too many are counted", async () => {
    const { open } = machine();
    const store = await open({ lockouts: 3 });
    await fail(store, 5, "a");
    await fail(store, 1, "b");
    await fail(store, 1, "c");
    await expect(store.lockout.failed("d")).rejects.toMatchObject({ code: "STORE_FULL" });
    // Nor may a try be made that could not be counted.
    expect(() => store.lockout.check("d")).toThrow(expect.objectContaining({ code: "STORE_FULL" }));
    expect(store.lockout.check("b")).toEqual(FREE);
    await fail(store, 1, "b");
    expect(store.lockout.check("a")).toEqual(waits(30_000));
    await store.lockout.unlock("a");
    await fail(store, 1, "d");
    await expect(store.lockout.failed("x".repeat(300))).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await store.close();
  });

  it("counts tries for the longest name that can be enrolled", async () => {
    const { open } = machine();
    const store = await open();
    const subject = "\u044f".repeat(128);
    await store.templates.enrol([{ subject, modality: "face", space: "s", vector: Float32Array.of(1, 0), samples: 1 }]);
    await fail(store, 5, `subject:${subject}`);
    expect(store.lockout.check(`subject:${subject}`)).toEqual(waits(30_000));
    await store.close();
  });

  it("answers nothing once a write failed in the middle, and after the next opening is where it was or one further", async () => {
    const { open, disk } = machine();
    const store = await open();
    await fail(store, 5);
    disk.failAfter(1, { kind: "error", errno: "EIO", partly: false });
    await expect(store.lockout.failed("anna")).rejects.toMatchObject({ code: "STORE_FAILED" });
    disk.heal();
    for (const use of [
      () => store.lockout.check("anna"),
      () => store.templates.list(),
      () => store.templates.search({ modality: "face", space: "s", vector: new Float32Array(4) }, 1),
      () => store.templates.score("anna", { modality: "face", space: "s", vector: new Float32Array(4) }),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code: "STORE_FAILED" }));
    }
    await expect(store.lockout.failed("anna")).rejects.toMatchObject({ code: "STORE_FAILED" });
    await expect(store.lockout.passed("anna")).rejects.toMatchObject({ code: "STORE_FAILED" });
    await store.close();
    const again = await open();
    expect(again.lockout.check("anna")).toEqual(expect.objectContaining({ allowed: false }));
    await again.close();
  });
});
