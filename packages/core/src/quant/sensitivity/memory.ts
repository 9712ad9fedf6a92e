import { fromBase64, toBase64 } from "../../base/base64.ts";
import { sha256Hex } from "../../base/sha256.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { planToJson } from "../plan-json.ts";

/** Where results outlive an interruption. Keys are digests of content; values are plain JSON; setting `undefined` forgets. */
export interface ResultMemory {
  readonly get: (key: string) => unknown;
  readonly set: (key: string, value: unknown) => void | Promise<void>;
}

/** What is remembered while sensitivity is measured. */
export interface Rememberer<V> {
  readonly verdict: (task: string) => Promise<V | undefined>;
  /** Keeps a verdict and forgets the embeddings that it was made of. */
  readonly keepVerdict: (task: string, verdict: V) => Promise<void>;
  readonly rows: (part: string) => Promise<Float32Array | undefined>;
  readonly keepRows: (part: string, rows: Float32Array) => Promise<void>;
}

/** Remembers under digests of the plan, the task and the caller's identity; nothing without a memory. */
export function rememberer<V>(
  memory: ResultMemory | undefined,
  about: { readonly plan: QuantPlan; readonly output: string; readonly identity: string | undefined },
): Rememberer<V> {
  const context = memory === undefined ? "" : sha256Hex(`${about.identity ?? ""}\n${about.output}\n${planToJson(about.plan)}`);
  const keyOf = (what: string): string => `sensitivity-${sha256Hex(`${context}\n${what}`)}`;
  const kept = new Map<string, string[]>();
  return {
    verdict: async (task) => (await memory?.get(keyOf(task))) as V | undefined,
    keepVerdict: async (task, verdict) => {
      await memory?.set(keyOf(task), verdict);
      for (const key of kept.get(task) ?? []) await memory?.set(key, undefined);
      kept.delete(task);
    },
    rows: async (part) => {
      const text = await memory?.get(keyOf(part));
      if (typeof text !== "string") return undefined;
      note(kept, part, keyOf(part));
      return new Float32Array(fromBase64(text).buffer);
    },
    keepRows: async (part, rows) => {
      note(kept, part, keyOf(part));
      await memory?.set(keyOf(part), toBase64(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength)));
    },
  };
}

function note(kept: Map<string, string[]>, part: string, key: string): void {
  const task = part.replace(/ from \d+$/, "");
  kept.set(task, [...(kept.get(task) ?? []), key]);
}
