import { fail } from "../../base/error.ts";
import { type Budget, chargeRecord, exceeded } from "./limits.ts";
import type { TableType } from "./table.ts";

/** What all tables of one file share while it is read. */
export interface Reading {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly budget: Budget;
}

/** A table that is being read; all positions are from the start of the file. */
export interface Frame extends Reading {
  readonly type: TableType;
  readonly start: number;
  /** Bytes of the table itself. */
  readonly size: number;
  readonly vtable: number;
  /** Slots that the vtable has. */
  readonly slots: number;
  readonly depth: number;
}

/** A field at hand: where its value or the offset to it stands, for errors. */
export interface Spot {
  readonly name: string;
  readonly at: number;
}

/** The error for something that lies beyond the end of the file. */
export function cut(spot: Spot, why: string): Error {
  return fail("TRUNCATED", `Cannot read ${spot.name}: ${why}`, { at: { offset: spot.at } });
}

/** The error for bytes that break a rule of the format. */
export function wrong(spot: Spot, why: string): Error {
  return fail("MALFORMED", `Cannot read ${spot.name}: ${why}`, { at: { offset: spot.at } });
}

/** The position that the offset at `spot.at` points to; the four bytes there are inside the file. */
export function follow(reading: Reading, spot: Spot): number {
  const offset = reading.view.getUint32(spot.at, true);
  if (offset === 0) throw wrong(spot, "its offset points to itself");
  const target = spot.at + offset;
  if (target + 4 > reading.bytes.length)
    throw cut(spot, `its offset points to ${target}, the file ends at ${reading.bytes.length}`);
  return target;
}

/** Checks the table at `at` and its vtable. */
export function openTable(reading: Reading, type: TableType, place: { readonly at: number; readonly depth: number }): Frame {
  const { bytes, view, budget } = reading;
  const { at, depth } = place;
  if (depth > budget.limits.maxDepth) throw exceeded("maxDepth", budget.limits.maxDepth, at);
  chargeRecord(budget, type.fields.length, at);
  const spot = { name: type.name, at };
  const vtable = at - view.getInt32(at, true);
  if (vtable < 0 || vtable + 4 > bytes.length) throw cut(spot, `its vtable would be at ${vtable}`);
  const vtableSize = view.getUint16(vtable, true);
  const size = view.getUint16(vtable + 2, true);
  if (vtableSize < 4 || vtableSize % 2 !== 0) throw wrong(spot, `its vtable at ${vtable} has ${vtableSize} bytes`);
  if (vtable + vtableSize > bytes.length) throw cut(spot, `its vtable at ${vtable} has ${vtableSize} bytes`);
  if (size < 4) throw wrong(spot, `it has ${size} bytes`);
  if (at + size > bytes.length) throw cut(spot, `it has ${size} bytes`);
  return { ...reading, type, start: at, size, vtable, slots: (vtableSize - 4) / 2, depth };
}

/** Where the value in a slot stands, or 0 if the slot is empty; its `size` bytes are inside the table. */
export function slotPosition(frame: Frame, slot: number, size: number): number {
  if (slot >= frame.slots) return 0;
  const offset = frame.view.getUint16(frame.vtable + 4 + 2 * slot, true);
  if (offset === 0) return 0;
  if (offset < 4 || offset + size > frame.size) {
    throw wrong(
      { name: frame.type.name, at: frame.vtable + 4 + 2 * slot },
      `slot ${slot} has ${size} bytes at ${offset} of a table of ${frame.size}`,
    );
  }
  return frame.start + offset;
}
