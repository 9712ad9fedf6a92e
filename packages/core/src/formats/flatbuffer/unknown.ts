import { type Frame, slotPosition } from "./frame.ts";
import { COST, charge } from "./limits.ts";
import type { OpaqueUnion, UnknownSlot } from "./table.ts";

/** Reads the slots that the table type does not have. What lies in a table up to the next value belongs to the value before it. */
export function readUnknown(frame: Frame): readonly UnknownSlot[] {
  const { bytes, budget, type, start, size } = frame;
  // Looking at slots takes time; charged as memory they are bounded together with everything else.
  charge(budget, 4 * (frame.slots - type.slots), frame.vtable);
  const found: { slot: number; at: number }[] = [];
  for (let slot = type.slots; slot < frame.slots; slot++) {
    const at = slotPosition(frame, slot, 1);
    if (at === 0) continue;
    charge(budget, COST.record + COST.view, at);
    found.push({ slot, at });
  }
  if (found.length === 0) return [];
  const starts = new Uint32Array(frame.slots);
  charge(budget, 32 * frame.slots, frame.vtable);
  for (let slot = 0; slot < frame.slots; slot++) starts[slot] = slotPosition(frame, slot, 1) - start;
  starts.sort();
  return found.map(({ slot, at }) => {
    const end = start + nextAbove(starts, at - start, size);
    const value = bytes.subarray(at, end);
    return Object.freeze({ slot, bytes: value, align: alignmentOf(at, value.length), mayPoint: mayPoint(frame, at, end) });
  });
}

/** The smallest entry of a sorted list above `value` and below `top`, or `top`. */
function nextAbove(sorted: Uint32Array, value: number, top: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  const next = sorted[low];
  return next === undefined || next > top ? top : next;
}

function alignmentOf(at: number, length: number): number {
  let align = 8;
  while (align > 1 && (at % align !== 0 || align > length)) align /= 2;
  return align;
}

/** Whether the four bytes could be an offset: to a string or vector that fits in the file, or to a table. */
function mayPoint(frame: Frame, at: number, end: number): boolean {
  const { view, bytes } = frame;
  if (at % 4 !== 0 || end - at < 4) return false;
  const target = at + view.getUint32(at, true);
  if (target === at || target % 4 !== 0 || target + 4 > bytes.length) return false;
  if (view.getUint32(target, true) <= bytes.length - target - 4) return true;
  const vtable = target - view.getInt32(target, true);
  if (vtable < 0 || vtable + 4 > bytes.length) return false;
  const vtableSize = view.getUint16(vtable, true);
  return vtableSize >= 4 && vtableSize % 2 === 0 && vtable + vtableSize <= bytes.length;
}

/** Something in a record that its schema does not know. */
export interface Unknown {
  /** Where it is, like `subgraphs[0].operators[3].builtinOptions`. */
  readonly path: string;
  readonly what: UnknownSlot | OpaqueUnion;
  /** Whether it is written back with the record; what is not makes the writer refuse unless told to drop it. */
  readonly kept: boolean;
}

/** Everything in a decoded record that a newer schema must have put there. */
export function listUnknown(record: object): readonly Unknown[] {
  const found: Unknown[] = [];
  visit(record, "", found);
  return found;
}

function visit(value: unknown, path: string, found: Unknown[]): void {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) visit(item, `${path}[${i}]`, found);
    return;
  }
  if ((value as { kind?: unknown }).kind === "opaque") {
    const union = value as OpaqueUnion;
    found.push({ path, what: union, kept: !union.hasValue });
    return;
  }
  for (const [key, field] of Object.entries(value)) {
    const inner = path === "" ? key : `${path}.${key}`;
    if (key === "unknown") {
      for (const slot of field as readonly UnknownSlot[])
        found.push({ path: `${inner}[slot ${slot.slot}]`, what: slot, kept: !slot.mayPoint });
    } else visit(field, inner, found);
  }
}
