import { fail } from "../../base/error.ts";

/** What a reader accepts; every one can be raised by name for a file that is trusted. */
export interface DecodeLimits {
  /** Size of the file in bytes. Protobuf itself ends at 2 GiB. */
  readonly maxBytes: number;
  /** Messages (or groups) inside each other. */
  readonly maxDepth: number;
  /** Messages in the whole file. */
  readonly maxRecords: number;
  /** Bytes of one string. */
  readonly maxStringBytes: number;
  /** Estimated heap bytes of everything decoded, except `bytes` fields, which stay views of the file. */
  readonly maxDecodedBytes: number;
  /** Times that a single message field may occur again (protobuf merges them; each time may copy what came before). */
  readonly maxMerges: number;
}

/** The limits that hold unless raised by name: together they keep a hostile file below 512 MB of memory. */
export const DECODE_LIMITS_DEFAULTS = {
  maxBytes: 2 ** 31 - 1,
  maxDepth: 100,
  maxRecords: 1_000_000,
  maxStringBytes: 2 ** 24,
  maxDecodedBytes: 2 ** 28,
  maxMerges: 16,
} as const satisfies DecodeLimits;

/** How much of the limits one file has used up. */
export interface Budget {
  readonly limits: DecodeLimits;
  records: number;
  decodedBytes: number;
  merges: number;
}

/**
 * Estimated heap bytes of what decoding makes: a record, a plain list, a view or typed array, a string, one value in a record or list, a
 * bigint, a remembered source. Measured on Node 20 with hostile files that hold millions of one kind each, growth and garbage included.
 */
export const COST = { record: 200, list: 200, view: 240, string: 40, item: 24, bigItem: 48, source: 120 } as const;

/** An unused budget. */
export function makeBudget(limits: Partial<DecodeLimits>): Budget {
  return { limits: { ...DECODE_LIMITS_DEFAULTS, ...limits }, records: 0, decodedBytes: 0, merges: 0 };
}

/** Charges heap that is about to be allocated. @throws LIMIT_EXCEEDED (maxDecodedBytes) */
export function charge(budget: Budget, bytes: number, offset: number): void {
  budget.decodedBytes += bytes;
  if (budget.decodedBytes > budget.limits.maxDecodedBytes)
    throw exceeded("maxDecodedBytes", budget.limits.maxDecodedBytes, offset);
}

/** Charges one message. @throws LIMIT_EXCEEDED (maxRecords, maxDecodedBytes) */
export function chargeRecord(budget: Budget, offset: number): void {
  if (++budget.records > budget.limits.maxRecords) throw exceeded("maxRecords", budget.limits.maxRecords, offset);
  charge(budget, COST.record, offset);
}

/** Charges one more occurrence of a single message field. @throws LIMIT_EXCEEDED (maxMerges) */
export function chargeMerge(budget: Budget, offset: number): void {
  if (++budget.merges > budget.limits.maxMerges) throw exceeded("maxMerges", budget.limits.maxMerges, offset);
}

/** The error for a limit that was passed. */
export function exceeded(name: keyof DecodeLimits, limit: number, offset: number): Error {
  return fail("LIMIT_EXCEEDED", `Cannot read on: ${name} is ${limit}`, { at: { offset } });
}
