import { isTesseraError } from "@tessera/core/base/error";
import { ERROR_CODES, type ErrorCode } from "@tessera/core/base/error-codes";
import type { ApiError } from "@tessera/core/protocol/gateway-api";

/** Statuses of the codes that a caller can do something about. Everything else is a failure of the gateway, and its message stays in the log. */
const STATUS = {
  REQUEST_INVALID: 400,
  NONCE_INVALID: 400,
  AUTH_MISSING: 401,
  AUTH_FORBIDDEN: 403,
  NOT_FOUND: 404,
  NONCE_USED: 409,
  REQUEST_TOO_LARGE: 413,
  MEDIA_UNSUPPORTED: 415,
  ENROL_REFUSED: 422,
  RATE_LIMITED: 429,
  GATEWAY_BUSY: 503,
  STORE_FULL: 507,
} as const satisfies Partial<Record<ErrorCode, number>>;

/** Statuses of errors. */
export type ProblemStatus = (typeof STATUS)[keyof typeof STATUS] | 500;

/** An error as callers get it. */
export interface Problem {
  readonly status: ProblemStatus;
  readonly body: ApiError;
}

/** What a caller is told of something that was thrown: the words of our errors where they concern the caller, else nothing but that it failed. */
export function problemOf(error: unknown): Problem {
  if (isTesseraError(error) && Object.hasOwn(STATUS, error.code)) {
    const { code, message, hint } = error;
    return { status: STATUS[code as keyof typeof STATUS], body: { error: { code, says: message, next: hint } } };
  }
  const { says, hint } = ERROR_CODES.INTERNAL;
  return { status: 500, body: { error: { code: "INTERNAL", says, next: hint } } };
}
