import { fail } from "../../base/error.ts";
import { fitsScalar, scalarSize } from "./scalar.ts";
import type { Field, OpaqueUnion, TableType, UnknownSlot } from "./table.ts";

/** What stands in one slot of a table that is being written. */
export interface Inline {
  readonly slot: number;
  readonly size: number;
  readonly align: number;
  readonly field: Field | undefined;
  /** A scalar, struct or thing that an offset will point to; the code of a union; raw bytes where `field` is undefined. */
  readonly value: unknown;
  /** Whether it is the code of a union. */
  readonly code: boolean;
}

/** A table laid out: offsets from its start, in the order of `inlines`. */
export interface Layout {
  readonly inlines: readonly Inline[];
  readonly offsets: readonly number[];
  readonly size: number;
  /** What the position of the table plus 4 must be a multiple of. */
  readonly align: number;
  /** Sizes and slot offsets as they stand in the file. */
  readonly vtable: readonly number[];
}

/** Sizes in a vtable are 16-bit numbers. */
const MAX_TABLE_BYTES = 65_535;

/** What is in the record, by slot. Scalars at their default are left out, as every FlatBuffers writer does. */
export function inlinesOf(type: TableType, record: object, dropUnknown: boolean): Inline[] {
  const values = record as Readonly<Record<string, unknown>>;
  const inlines: Inline[] = [];
  for (const field of type.fields) {
    const value = values[field.key];
    if (value !== undefined) addField(inlines, { type, field, value, dropUnknown });
  }
  for (const unknown of (values["unknown"] as readonly UnknownSlot[] | undefined) ?? []) {
    if (unknown.mayPoint) {
      if (dropUnknown) continue;
      throw unwritable(type, `slot ${unknown.slot}, of a newer schema, may point to something that was not kept`);
    }
    const { slot, align, bytes } = unknown;
    inlines.push({ slot, size: bytes.length, align, field: undefined, value: bytes, code: false });
  }
  return inlines;
}

interface Addition {
  readonly type: TableType;
  readonly field: Field;
  readonly value: unknown;
  readonly dropUnknown: boolean;
}

function addField(inlines: Inline[], addition: Addition): void {
  const { type, field, value, dropUnknown } = addition;
  const { shape, slot } = field;
  const base = { slot, field, value, code: false };
  if (shape.kind === "scalar") {
    if (!fitsScalar(shape.type, value))
      throw fail("MALFORMED", `Cannot write ${type.name}.${field.key}: ${String(value)} is not of type ${shape.type}`);
    const size = scalarSize(shape.type);
    if (!Object.is(value, shape.initial)) inlines.push({ ...base, size, align: size });
    return;
  }
  if (shape.kind === "struct") {
    inlines.push({ ...base, size: shape.struct.size, align: shape.struct.align });
    return;
  }
  if (shape.kind !== "union") {
    inlines.push({ ...base, size: 4, align: 4 });
    return;
  }
  const { kind } = value as { readonly kind: string };
  if (kind === "opaque") {
    const { code, hasValue } = value as OpaqueUnion;
    if (hasValue && !dropUnknown) throw unwritable(type, `${field.key} has the code ${code}, whose value was not kept`);
    if (!hasValue) inlines.push({ ...base, value: code, code: true, size: 1, align: 1 });
    return;
  }
  const code = shape.union.members.findIndex((member) => member.name === kind) + 1;
  if (code === 0) throw fail("MALFORMED", `Cannot write ${type.name}.${field.key}: ${shape.union.name} has no member ${kind}`);
  inlines.push({ ...base, value: code, code: true, size: 1, align: 1 });
  inlines.push({ ...base, slot: slot + 1, size: 4, align: 4 });
}

function unwritable(type: TableType, why: string): Error {
  return fail("UNSUPPORTED_FORMAT", `Cannot write ${type.name}: ${why}`, {
    hint: "Write with dropUnknown if the model does without it",
  });
}

/** Places the values of a table, most aligned first, so that there are no gaps. @throws TOO_LARGE above 64 KiB */
export function layOut(type: TableType, inlines: readonly Inline[]): Layout {
  const ordered = inlines.toSorted((a, b) => b.align - a.align || a.slot - b.slot);
  const top = inlines.reduce((slot, inline) => Math.max(slot, inline.slot), -1);
  const slots: number[] = new Array(top + 1).fill(0);
  const offsets: number[] = [];
  let size = 4;
  for (const { slot, align, size: own } of ordered) {
    // Offsets are aligned from behind the four bytes that point to the vtable.
    const offset = 4 + Math.ceil((size - 4) / align) * align;
    offsets.push(offset);
    slots[slot] = offset;
    size = offset + own;
  }
  const vtableSize = 4 + 2 * slots.length;
  if (size > MAX_TABLE_BYTES || vtableSize > MAX_TABLE_BYTES)
    throw fail("TOO_LARGE", `Cannot write ${type.name}: a table of ${size} bytes and ${slots.length} slots does not fit 64 KiB`);
  return { inlines: ordered, offsets, size, align: ordered[0]?.align ?? 1, vtable: [vtableSize, size, ...slots] };
}
