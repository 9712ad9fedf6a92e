import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

/** Where an error happened; every field is optional and printed when present. */
export interface ErrorPlace {
  /** File name or path as the user gave it. */
  readonly file?: string;
  /** Byte offset from the start of the file. */
  readonly offset?: number;
  readonly node?: string;
  readonly pass?: string;
  readonly tensor?: string;
}

/** Options of {@link fail}. */
export interface FailOptions {
  readonly at?: ErrorPlace;
  readonly cause?: unknown;
  /** A next step that is better than the one of the code's row. */
  readonly hint?: string;
}

/** The one error class of Tessera. `code` is stable, `message` says what could not be done and why, `hint` is a next step. */
export class TesseraError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly at: ErrorPlace;

  constructor(code: ErrorCode, message: string, options: FailOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TesseraError";
    this.code = code;
    this.hint = options.hint ?? ERROR_CODES[code].hint;
    this.at = options.at ?? {};
  }

  /** The error as plain data, for `--json`. */
  toJSON(): { code: ErrorCode; message: string; hint: string; at: ErrorPlace } {
    return { code: this.code, message: this.message, hint: this.hint, at: this.at };
  }
}

/**
 * Makes an error to throw. Messages read "Cannot <do> <thing>: <why>", with the actual values, no full stop.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { fail } from "@tessera/core/base/error";
 *
 * const error = fail("SHAPE_MISMATCH", "Cannot multiply [2,3] by [4,5]: inner sizes differ", { at: { node: "fc1" } });
 * assert.deepEqual([error.code, error.at], ["SHAPE_MISMATCH", { node: "fc1" }]);
 * ```
 */
export function fail(code: ErrorCode, message: string, options: FailOptions = {}): TesseraError {
  return new TesseraError(code, message, options);
}

/** Whether something caught is one of ours. */
export function isTesseraError(error: unknown): error is TesseraError {
  return error instanceof TesseraError;
}

/** Adds a place to one of our errors on its way up; other errors pass unchanged. */
export function placed(error: unknown, at: ErrorPlace): unknown {
  if (!isTesseraError(error)) return error;
  return new TesseraError(error.code, error.message, { at: { ...at, ...error.at }, cause: error.cause, hint: error.hint });
}
