import { fail } from "@tessera/core/base/error";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import * as v from "valibot";
import type { JournalRecord } from "./journal.ts";
import type { TemplateInfo } from "./template-store.ts";

/** Kinds of records of the templates' journal; 0 is the journal's own. */
export const KIND = { template: 1, removal: 2, lockout: 3 } as const;

/** A template as described in the journal; its vector is the record's secret. */
export interface TemplateRecord extends TemplateInfo {
  readonly dimension: number;
  /** Templates that end with it. */
  readonly replaces: readonly string[];
}

/** Templates that were deleted. */
export interface RemovalRecord {
  readonly ids: readonly string[];
}

/** The count of one key, whole: the last record of a key is the truth. No failures: the key is forgotten. */
export interface LockoutRecord {
  readonly key: string;
  /** Wrong tries since the last right one. */
  readonly failures: number;
  /** When the last was counted, milliseconds since 1970 as the clock said. */
  readonly at: number;
  /** How long no try may be made from then on. */
  readonly waitMs: number;
  readonly needsPrimary: boolean;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const modality = v.picklist(["face", "voice"] as const satisfies readonly GatewayModality[]);
const template = v.strictObject({
  id: v.string(),
  subject: v.string(),
  modality,
  space: v.string(),
  samples: count,
  enrolledAt: count,
  dimension: count,
  replaces: v.array(v.string()),
});
const removal = v.strictObject({ ids: v.array(v.string()) });
const lockout = v.strictObject({ key: v.string(), failures: count, at: count, waitMs: count, needsPrimary: v.boolean() });

/** A record of the templates' journal. */
export type StoreRecord =
  | { readonly kind: "template"; readonly value: TemplateRecord }
  | { readonly kind: "removal"; readonly value: RemovalRecord }
  | { readonly kind: "lockout"; readonly value: LockoutRecord };

/** For the journal. */
export function encodeRecord(record: StoreRecord, secret?: Uint8Array): JournalRecord {
  const meta = Buffer.from(JSON.stringify(record.value), "utf8");
  return { kind: KIND[record.kind], meta, ...(secret === undefined ? {} : { secret }) };
}

/** From the journal; `undefined` for its own records. @throws STORE_DAMAGED for what this version does not know */
export function decodeRecord(stored: { readonly kind: number; readonly meta: Uint8Array }): StoreRecord | undefined {
  if (stored.kind === 0) return undefined;
  const json: unknown = JSON.parse(Buffer.from(stored.meta).toString("utf8"));
  switch (stored.kind) {
    case KIND.template:
      return { kind: "template", value: known(v.safeParse(template, json)) };
    case KIND.removal:
      return { kind: "removal", value: known(v.safeParse(removal, json)) };
    case KIND.lockout:
      return { kind: "lockout", value: known(v.safeParse(lockout, json)) };
    default:
      throw fail("STORE_DAMAGED", `Cannot read the store: it has records of the unknown kind ${stored.kind}`);
  }
}

function known<T>(result: { readonly success: true; readonly output: T } | { readonly success: false }): T {
  if (!result.success) throw fail("STORE_DAMAGED", "Cannot read the store: a record is of another version");
  return result.output;
}
