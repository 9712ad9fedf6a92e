import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../../base/error.ts";
import { readTflite } from "./read.ts";
import { writeTflite } from "./write.ts";

// A file of its own, so that it runs in a process of its own: what is measured is the highest memory the process ever had.

const MAX_GROWTH_BYTES = 512e6;
const MAX_MILLIS = 20_000;
const FILE_BYTES = 2 ** 24;

const startBytes = process.memoryUsage.rss();

/** How far resident memory has ever risen above what it was before the first file, in bytes. */
const growthBytes = (): number => process.resourceUsage().maxRSS * 1024 - startBytes;

/** Collects what earlier files left behind, so that only the one at hand is measured. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** A file of 16 MB under construction: a vector that fills it, all of whose entries point to the table at the end. */
interface Hostile {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** A model whose list in `slot` has as many entries as fit; `leaf` writes what all of them point to and returns where. */
function crowded(slot: number, leaf: (file: Hostile, at: number) => number): Uint8Array {
  const bytes = new Uint8Array(FILE_BYTES);
  const file = { bytes, view: new DataView(bytes.buffer) };
  const { view } = file;
  bytes.set(new TextEncoder().encode("TFL3"), 4);
  const table = writeTable(file, 8, [[slot, 4]]);
  view.setUint32(0, table, true);
  const list = table + 8;
  view.setUint32(table + 4, 4, true);
  const leafRoom = FILE_BYTES - 300_000;
  const count = Math.floor((leafRoom - list - 4) / 4);
  view.setUint32(list, count, true);
  const target = leaf(file, leafRoom);
  for (let i = 0; i < count; i++) view.setUint32(list + 4 + 4 * i, target - (list + 4 + 4 * i), true);
  return bytes;
}

/** Writes a vtable at `at` and behind it a table with 4-byte values in the given slots at the given offsets; returns the table. */
function writeTable(file: Hostile, at: number, slots: readonly (readonly [slot: number, offset: number])[]): number {
  const { view } = file;
  const size = 4 + 2 * (1 + Math.max(-1, ...slots.map(([slot]) => slot)));
  const table = Math.ceil((at + size) / 4) * 4;
  view.setUint16(at, size, true);
  view.setUint16(at + 2, 4 + 4 * slots.length, true);
  for (const [slot, offset] of slots) view.setUint16(at + 4 + 2 * slot, offset, true);
  view.setInt32(table, table - at, true);
  return table;
}

/** A table all of whose `slots` point to one thing behind it, written by `target`. */
function pointing(slots: readonly number[], target: (file: Hostile, at: number) => void) {
  return (file: Hostile, at: number): number => {
    const table = writeTable(
      file,
      at,
      slots.map((slot, i) => [slot, 4 + 4 * i]),
    );
    const end = table + 4 + 4 * slots.length;
    target(file, end);
    for (const i of slots.keys()) file.view.setUint32(table + 4 + 4 * i, end - (table + 4 + 4 * i), true);
    return table;
  };
}

/** A vector or text of `length` elements; what lies behind `at` is zeros. */
const vectorOf = (length: number) => (file: Hostile, at: number) => file.view.setUint32(at, length, true);

describe("files of 16 MB that make much of little", () => {
  it.each<[string, Uint8Array]>([
    ["the same empty operator code", crowded(1, (file, at) => writeTable(file, at, []))],
    ["the same empty subgraph", crowded(2, (file, at) => writeTable(file, at, []))],
    ["the same buffer of 100 kB", crowded(4, pointing([0], vectorOf(100_000)))],
    ["the same subgraph with 100 kB of inputs", crowded(2, pointing([1, 2], vectorOf(25_000)))],
    ["the same metadata with a name of 100 kB", crowded(6, pointing([0], vectorOf(100_000)))],
    ["the same signature with 20,000 inputs that are itself", crowded(7, pointing([0, 1], selfish))],
    ["the same table with 30,000 slots of a newer schema", crowded(4, manySlots)],
  ])("%s", (_, bytes) => {
    collectGarbage();
    const start = process.cpuUsage();
    let code = "";
    try {
      writeTflite(readTflite(bytes), { dropUnknown: true });
    } catch (error) {
      code = isTesseraError(error) ? error.code : String(error);
    }
    expect(code).toBe("LIMIT_EXCEEDED");
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(MAX_MILLIS);
    expect(growthBytes()).toBeLessThan(MAX_GROWTH_BYTES);
  });
});

/** A list of 20,000 tables, all of them the empty table behind it. */
function selfish(file: Hostile, at: number): void {
  const count = 20_000;
  file.view.setUint32(at, count, true);
  const empty = writeTable(file, at + 4 + 4 * count, []);
  for (let i = 0; i < count; i++) file.view.setUint32(at + 4 + 4 * i, empty - (at + 4 + 4 * i), true);
}

/** A table whose vtable has 30,000 slots, every one of them used. */
function manySlots(file: Hostile, at: number): number {
  const slots = 30_000;
  file.view.setUint16(at, 4 + 2 * slots, true);
  file.view.setUint16(at + 2, 40_000, true);
  for (let slot = 0; slot < slots; slot++) file.view.setUint16(at + 4 + 2 * slot, slot < 3 ? 0 : 4 + slot, true);
  const table = at + 4 + 2 * slots;
  file.view.setInt32(table, table - at, true);
  return table;
}
