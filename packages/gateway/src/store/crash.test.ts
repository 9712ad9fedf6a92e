import { isTesseraError } from "@tessera/core/base/error";
import { seededRandom } from "@tessera/core/base/random";
import { FakeDisk } from "@tessera/testkit/store/fake-disk";
import { quickKeys } from "@tessera/testkit/store/quick-keys";
import {
  differenceOf,
  doStep,
  EMPTY_MODEL,
  modelAfter,
  type StoreModel,
  type StoreStep,
  TELLING_POLICY,
} from "@tessera/testkit/store/store-model";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type OpenStore, openStore } from "./open.ts";

const KEYS = ["a", "b"];
const clock = { wallMs: () => 1_000_000, monotonicMs: () => 0 };

function open(fs: FakeDisk): Promise<OpenStore> {
  const limits = { auditBytes: 2000, auditGenerations: 100 };
  return openStore({ dir: "/gateway", deviceId: "device", keys: quickKeys(), fs, clock, policy: TELLING_POLICY, limits });
}

/** Opens after whatever happened and holds the state against those that are possible; the one it is in. */
async function reopen(disk: FakeDisk, possible: readonly StoreModel[]): Promise<{ store: OpenStore; model: StoreModel }> {
  const store = await open(disk);
  const why: (string | undefined)[] = [];
  for (const model of possible) {
    const difference = await differenceOf(store, model, KEYS);
    if (difference === undefined) return { store, model };
    why.push(difference);
  }
  throw new Error(`The store is in no possible state: ${why.join("; or ")}`);
}

const SCRIPT: readonly StoreStep[] = [
  { kind: "enrol", subject: "anna", modalities: ["face", "voice"], seed: 1 },
  { kind: "fail", key: "a" },
  { kind: "enrol", subject: "ben", modalities: ["face"], seed: 2 },
  { kind: "audit", event: "one" },
  { kind: "remove", subject: "anna", modality: "voice" },
  { kind: "fail", key: "a" },
  { kind: "compact", rotate: false },
  { kind: "renew", subject: "ben" },
  { kind: "compact", rotate: true },
  { kind: "enrol", subject: "anna", modalities: ["face"], seed: 3 },
  { kind: "audit", event: "two" },
  { kind: "pass", key: "a" },
  { kind: "remove", subject: "ben" },
];

/** Runs the script on a disk that dies at its n-th operation; whether it came to that. */
async function dieAt(operation: number, how: "process" | "power", seed: number): Promise<boolean> {
  const disk = new FakeDisk(seededRandom(seed));
  disk.failAfter(operation, { kind: "dies" });
  let model = EMPTY_MODEL;
  let after = model;
  try {
    const store = await open(disk);
    for (const step of SCRIPT) {
      after = modelAfter(model, step);
      await doStep(store, step);
      model = after;
    }
  } catch {
    disk.restart(how);
    // Dying again while recovering must lose nothing either.
    disk.failAfter(seed % 7, { kind: "dies" });
    await open(disk).catch(() => undefined);
    disk.restart(how);
    const found = await reopen(disk, [after, model]);
    await found.store.close();
    return true;
  }
  return false;
}

describe("a store whose machine dies", () => {
  it.each(["process", "power"] as const)("loses nothing acknowledged when %s ends at any operation", async (how) => {
    let operation = 0;
    while (await dieAt(operation, how, operation + 1)) operation++;
    expect(operation).toBeGreaterThan(100);
    for (let i = 0; i < operation; i += 2) await dieAt(i, how, 1000 + i);
  });

  it("is always in a state that was acknowledged or asked for, whatever is done and whatever fails", async () => {
    const subject = fc.constantFrom("anna", "ben", "cleo");
    const modality = fc.constantFrom("face" as const, "voice" as const);
    const step: fc.Arbitrary<StoreStep> = fc.oneof(
      fc.record({
        kind: fc.constant("enrol" as const),
        subject,
        modalities: fc.uniqueArray(modality, { minLength: 1 }),
        seed: fc.integer({ min: 1, max: 99 }),
      }),
      fc.record({ kind: fc.constant("remove" as const), subject, modality }),
      fc.record({ kind: fc.constant("remove" as const), subject }),
      fc.record({ kind: fc.constant("renew" as const), subject }),
      fc.record({
        kind: fc.constantFrom("fail" as const, "fail" as const, "pass" as const, "unlock" as const),
        key: fc.constantFrom(...KEYS),
      }),
      fc.record({
        kind: fc.constant("audit" as const),
        event: fc.string({ maxLength: 300 }),
      }),
      fc.record({ kind: fc.constant("compact" as const), rotate: fc.boolean() }),
    );
    const event = fc.record({
      step,
      trouble: fc.option(
        fc.record({
          after: fc.integer({ min: 0, max: 14 }),
          how: fc.constantFrom("process" as const, "power" as const, "ENOSPC" as const, "EIO" as const),
          partly: fc.boolean(),
        }),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 25 }), fc.integer(), async (events, seed) => {
        const disk = new FakeDisk(seededRandom(seed));
        let model = EMPTY_MODEL;
        let store = await open(disk);
        for (const { step, trouble } of events) {
          const after = modelAfter(model, step);
          const how = trouble?.how;
          const deadly = how === "process" || how === "power";
          if (trouble !== null && how !== undefined) {
            disk.failAfter(trouble.after, deadly ? { kind: "dies" } : { kind: "error", errno: how, partly: trouble.partly });
          }
          const error: unknown = await doStep(store, step).then(
            () => undefined,
            (caught: unknown) => caught,
          );
          disk.heal();
          if (error !== undefined && !isTesseraError(error)) throw error;
          if (error === undefined) model = after;
          // A death that came after the acknowledgement, or an answer of the disk that leaves the state open: only what is on it counts.
          if (deadly || error !== undefined) {
            if (deadly) disk.restart(how);
            else await store.close();
            ({ store, model } = await reopen(disk, error?.code === "STORE_FULL" ? [model] : [after, model]));
          }
        }
        await store.close();
        const last = await reopen(disk, [model]);
        expect(await last.store.audit.verify()).toMatchObject({ entries: model.audit.length });
        await last.store.close();
      }),
      { numRuns: 150 },
    );
  });
});
