import { fail, isTesseraError } from "@tessera/core/base/error";
import type { ErrorCode } from "@tessera/core/base/error-codes";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import type { PipelineLimits } from "./config.ts";
import type { PipelineModels } from "./models.ts";

/** An error as data: what of ours survives the way between threads. */
export interface FailureRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** Anything caught, as data; what is not ours becomes RUNTIME_FAILED with its first line. */
export function failureOf(error: unknown): FailureRecord {
  const words = error instanceof Error ? error.message : String(error);
  const ours = isTesseraError(error) ? error : fail("RUNTIME_FAILED", `Cannot use the capture: ${words.split("\n")[0]}`);
  return { code: ours.code, message: ours.message, hint: ours.hint };
}

/** A request on its way to a worker, which has one at a time. */
export interface ToWorker<Q> {
  readonly request: Q;
}

/** What a worker says: once whether it came up, then an answer to each request. */
export type FromWorker<A> =
  | { readonly kind: "ready" }
  | { readonly kind: "unfit"; readonly error: FailureRecord }
  | { readonly kind: "done"; readonly answer: A }
  | { readonly kind: "failed"; readonly error: FailureRecord };

/** What a worker of a pipeline is started with. */
export interface PipelineWorkerData {
  readonly models: PipelineModels;
  readonly limits: PipelineLimits;
}

/** A capture for a worker. */
export interface ProbeRequest {
  readonly modality: GatewayModality;
  readonly bytes: Uint8Array;
  readonly stop?: "quality";
}
