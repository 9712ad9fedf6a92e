import { isTesseraError } from "@tessera/core/base/error";
import { seededRandom } from "@tessera/core/base/random";
import { type OpenStore, openStore } from "@tessera/gateway/store/open";
import fc from "fast-check";
import { FakeDisk } from "./fake-disk.ts";
import { quickKeys } from "./quick-keys.ts";
import { differenceOf, doStep, EMPTY_MODEL, modelAfter, type StoreModel, type StoreStep, TELLING_POLICY } from "./store-model.ts";

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

/** Runs a script of everything a store does on a disk that dies at its n-th operation, and again while the store recovers. Whether it came to that. */
export async function dieAt(operation: number, how: "process" | "power", seed: number): Promise<boolean> {
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

/** Does anything in any order while anything fails; after each failure the store must be in a state that was acknowledged or asked for. */
export async function surviveAnything(runs: number): Promise<void> {
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
      const { entries } = await last.store.audit.verify();
      if (entries !== model.audit.length) throw new Error(`the audit log has ${entries} entries, not ${model.audit.length}`);
      await last.store.close();
    }),
    { numRuns: runs },
  );
}

/**
 * Lets the n-th operation of one commit answer with an error of the medium, opens the store again from what the machine remembers, commits
 * once more, and takes the power away in the middle of that: nothing that was taken up may have been in memory only.
 */
export async function failThenLosePower(n: number, seed: number): Promise<void> {
  const disk = new FakeDisk(seededRandom(seed));
  const [first, second]: readonly StoreStep[] = [
    { kind: "enrol", subject: "anna", modalities: ["face"], seed: 1 },
    { kind: "fail", key: "a" },
  ];
  if (first === undefined || second === undefined) return;
  const store = await open(disk);
  disk.failAfter(n, { kind: "error", errno: "EIO", partly: true });
  await doStep(store, first).catch(() => undefined);
  disk.heal();
  await store.close();
  const again = await reopen(disk, [modelAfter(EMPTY_MODEL, first), EMPTY_MODEL]);
  disk.failAfter(seed % 5, { kind: "dies" });
  await doStep(again.store, second).catch(() => undefined);
  disk.restart("power");
  const last = await reopen(disk, [modelAfter(again.model, second), again.model]);
  await last.store.close();
}
