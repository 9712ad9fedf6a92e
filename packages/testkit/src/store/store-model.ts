import { isTesseraError } from "@tessera/core/base/error";
import { costOf, type LockoutPolicy } from "@tessera/gateway/store/lockout-policy";
import type { OpenStore } from "@tessera/gateway/store/open";
import type { NewTemplate } from "@tessera/gateway/store/template-store";
import { seededTemplate, unitVector } from "./store-state.ts";

type Modality = NewTemplate["modality"];

/** Something that is done to a store. */
export type StoreStep =
  | { readonly kind: "enrol"; readonly subject: string; readonly modalities: readonly Modality[]; readonly seed: number }
  | { readonly kind: "remove"; readonly subject: string; readonly modality?: Modality }
  | { readonly kind: "renew"; readonly subject: string }
  | { readonly kind: "fail" | "pass" | "unlock"; readonly key: string }
  | { readonly kind: "audit"; readonly event: string }
  | { readonly kind: "compact"; readonly rotate: boolean };

/** What a store must hold: seeds of vectors by subject and modality, wrong tries by key, events. Never changed in place. */
export interface StoreModel {
  readonly templates: ReadonlyMap<string, number>;
  readonly failures: ReadonlyMap<string, number>;
  readonly audit: readonly string[];
}

/** What a new store holds. */
export const EMPTY_MODEL: StoreModel = { templates: new Map(), failures: new Map(), audit: [] };

/** A policy under which every count of wrong tries shows as another wait. */
export const TELLING_POLICY: LockoutPolicy = {
  tries: chosen(1),
  firstWaitMs: chosen(1000),
  growth: chosen(2),
  longestWaitMs: chosen(1e9),
  primaryAfter: chosen(6),
};

/** The model after a step. */
export function modelAfter(model: StoreModel, step: StoreStep): StoreModel {
  const templates = new Map(model.templates);
  const failures = new Map(model.failures);
  switch (step.kind) {
    case "enrol":
      for (const modality of step.modalities) templates.set(`${step.subject}/${modality}`, step.seed);
      return { ...model, templates };
    case "remove":
      for (const modality of step.modality === undefined ? (["face", "voice"] as const) : [step.modality]) {
        templates.delete(`${step.subject}/${modality}`);
      }
      return { ...model, templates };
    case "fail":
      failures.set(step.key, (failures.get(step.key) ?? 0) + 1);
      return { ...model, failures };
    case "pass":
      if (!costOf(TELLING_POLICY, failures.get(step.key) ?? 0).needsPrimary) failures.delete(step.key);
      return { ...model, failures };
    case "unlock":
      failures.delete(step.key);
      return { ...model, failures };
    case "audit":
      return { ...model, audit: [...model.audit, step.event] };
    default:
      return model;
  }
}

/** Does the step to a store; resolves when it is acknowledged. */
export async function doStep(store: OpenStore, step: StoreStep): Promise<void> {
  switch (step.kind) {
    case "enrol":
      await store.templates.enrol(step.modalities.map((modality) => seededTemplate(step.subject, step.seed, modality)));
      return;
    case "remove":
      await store.templates.remove(step.subject, step.modality);
      return;
    case "renew":
      await store.templates.renew(step.subject).catch((error: unknown) => {
        if (!isTesseraError(error) || error.code !== "DATA_MISSING") throw error;
      });
      return;
    case "fail":
      return store.lockout.failed(step.key);
    case "pass":
      return store.lockout.passed(step.key);
    case "unlock":
      return store.lockout.unlock(step.key);
    case "audit":
      return store.audit.append(step.event);
    case "compact":
      return store.compact({ rotate: step.rotate });
  }
}

/** Why a store under {@link TELLING_POLICY}, freshly opened and with a clock that stands still, is not in the state of a model; `undefined` when it is. */
export async function differenceOf(store: OpenStore, model: StoreModel, keys: readonly string[]): Promise<string | undefined> {
  const there = store.templates.list().map(({ subject, modality }) => `${subject}/${modality}`);
  const wanted = [...model.templates.keys()];
  if (there.toSorted().join() !== wanted.toSorted().join()) return `holds ${there}, not ${wanted}`;
  for (const [name, seed] of model.templates) {
    const [subject = "", modality = "face"] = name.split("/");
    const probe = { modality: modality === "face" ? "face" : "voice", space: "space", vector: unitVector(seed) } as const;
    const score = store.templates.score(subject, probe);
    if (score === undefined || Math.abs(score - 1) > 1e-5) return `${name} scores ${score} against its own vector`;
    if (!store.templates.search(probe, 50).some((found) => found.subject === subject && Math.abs(found.score - 1) < 1e-5)) {
      return `${name} is not found`;
    }
  }
  for (const key of keys) {
    const cost = costOf(TELLING_POLICY, model.failures.get(key) ?? 0);
    const answer = store.lockout.check(key);
    const got = answer.allowed ? "free" : `${answer.retryAfterMs} ${answer.needsPrimary}`;
    const want = (model.failures.get(key) ?? 0) === 0 ? "free" : `${cost.waitMs} ${cost.needsPrimary}`;
    if (got !== want) return `lock-out of ${key} is ${got}, not ${want}`;
  }
  const events = (await store.audit.read(1, 1e6)).map((entry) => entry.event);
  return JSON.stringify(events) === JSON.stringify(model.audit) ? undefined : `audit says ${events}, not ${model.audit}`;
}

function chosen(value: number): { readonly value: number; readonly source: string; readonly verified: boolean } {
  return { value, source: "this test", verified: true };
}
