import type { ErrorPlace } from "@tessera/core/base/error";
import type { ErrorCode } from "@tessera/core/base/error-codes";
import type { RuntimeProfile } from "@tessera/core/graph/runtime";
import type { EngineInfo, NamedTensors, Timing } from "./engine.ts";
import type { EngineSpec } from "./engines.ts";

/** What is asked of a worker; one kind per call. The answer to each is in {@link Answers}. */
export type Request =
  | { readonly kind: "open"; readonly bytes: Uint8Array; readonly spec: EngineSpec }
  | { readonly kind: "run"; readonly feeds: NamedTensors }
  | { readonly kind: "time"; readonly feeds: NamedTensors; readonly runs: number; readonly warmup: number }
  | { readonly kind: "profile"; readonly bytes: Uint8Array; readonly feeds: NamedTensors; readonly runs: number }
  | { readonly kind: "close" };

/** What comes back, by kind of request. */
export interface Answers {
  readonly open: EngineInfo;
  readonly run: NamedTensors;
  readonly time: Timing;
  readonly profile: RuntimeProfile;
  readonly close: undefined;
}

/** An error as data: only the fields of the class survive the way between threads by themselves. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly at: ErrorPlace;
  readonly hint: string;
  readonly cause: unknown;
}

/** A request on its way. */
export interface RequestMessage {
  readonly id: number;
  readonly request: Request;
}

/** An answer on its way. `broken`: the engine fell over, and its thread is of no use any more. */
export type AnswerMessage =
  | { readonly id: number; readonly ok: true; readonly value: Answers[keyof Answers] }
  | { readonly id: number; readonly ok: false; readonly error: ErrorRecord; readonly broken: boolean };

/** Copies of tensors in buffers of their own, and the list of these buffers to move to the other thread. */
export function packed(tensors: NamedTensors): { readonly tensors: NamedTensors; readonly transfer: ArrayBuffer[] } {
  const transfer: ArrayBuffer[] = [];
  const out = tensors.map(([name, t]) => {
    // A view would drag its whole buffer (a model file, say) along, and the caller's buffer must stay his.
    const bytes = new Uint8Array(t.bytes);
    transfer.push(bytes.buffer);
    return [name, { ...t, bytes }] as const;
  });
  return { tensors: out, transfer };
}
