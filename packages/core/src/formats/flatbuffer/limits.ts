import { fail } from "../../base/error.ts";

/** What a flatbuffer reader accepts; every one can be raised by name for a file that is trusted. */
export interface FlatLimits {
  /** Size of the file in bytes, data after the flatbuffer included. */
  readonly maxBytes: number;
  /** Tables inside each other. */
  readonly maxDepth: number;
  /** Tables and structs read; one that several places point to counts each time. */
  readonly maxRecords: number;
  /** Bytes of one string. */
  readonly maxStringBytes: number;
  /** Estimated heap bytes of everything decoded, except byte vectors, which stay views of the file. */
  readonly maxDecodedBytes: number;
  /** Bytes by which all byte vectors together may be more than the file: they are when several places point to the same vector. */
  readonly maxSharedBytes: number;
}

/** The limits that hold unless raised by name: together they keep a hostile file below 512 MB of memory, read and written again. */
export const FLAT_LIMITS_DEFAULTS = {
  maxBytes: 2 ** 34,
  maxDepth: 100,
  maxRecords: 1_000_000,
  maxStringBytes: 2 ** 24,
  maxDecodedBytes: 2 ** 28,
  maxSharedBytes: 2 ** 26,
} as const satisfies FlatLimits;

/** How much of the limits one file has used up. */
export interface Budget {
  readonly limits: FlatLimits;
  records: number;
  decodedBytes: number;
  /** Bytes of all views less the size of the file: negative while nothing is shared. */
  sharedBytes: number;
}

/** Estimated heap bytes: a record, one value in a record or list, a list, a view or typed array, a string. */
export const COST = { record: 200, item: 24, list: 100, view: 240, string: 40 } as const;

/** An unused budget for a file of `sizeBytes`. @throws LIMIT_EXCEEDED (maxBytes) */
export function makeBudget(limits: Partial<FlatLimits>, sizeBytes: number): Budget {
  const all = { ...FLAT_LIMITS_DEFAULTS, ...limits };
  if (sizeBytes > all.maxBytes) throw exceeded("maxBytes", all.maxBytes, 0);
  return { limits: all, records: 0, decodedBytes: 0, sharedBytes: -sizeBytes };
}

/** Charges heap that is about to be allocated. @throws LIMIT_EXCEEDED (maxDecodedBytes) */
export function charge(budget: Budget, bytes: number, offset: number): void {
  budget.decodedBytes += bytes;
  const { maxDecodedBytes } = budget.limits;
  if (budget.decodedBytes > maxDecodedBytes) throw exceeded("maxDecodedBytes", maxDecodedBytes, offset);
}

/** Charges a table or struct of `fields` fields. @throws LIMIT_EXCEEDED (maxRecords, maxDecodedBytes) */
export function chargeRecord(budget: Budget, fields: number, offset: number): void {
  if (++budget.records > budget.limits.maxRecords) throw exceeded("maxRecords", budget.limits.maxRecords, offset);
  charge(budget, COST.record + COST.item * fields, offset);
}

/** Charges a view of `bytes` bytes. @throws LIMIT_EXCEEDED (maxSharedBytes, maxDecodedBytes) */
export function chargeView(budget: Budget, bytes: number, offset: number): void {
  budget.sharedBytes += bytes;
  const { maxSharedBytes } = budget.limits;
  if (budget.sharedBytes > maxSharedBytes) throw exceeded("maxSharedBytes", maxSharedBytes, offset);
  charge(budget, COST.view, offset);
}

/** The error for a limit that was passed. */
export function exceeded(name: keyof FlatLimits, limit: number, offset: number): Error {
  return fail("LIMIT_EXCEEDED", `Cannot read on: ${name} is ${limit}`, { at: { offset } });
}
