import { LEVELS } from "../../graph/quantize.ts";
import { toNumbers } from "../../graph/tensor.ts";
import type { IntegerProgram } from "../../interp/integer/program.ts";
import type { Channels } from "./channels.ts";

/** The lowest and highest integer that each channel of a value can have, whatever the input is; one entry where channels are not known. */
export interface Range {
  readonly low: Int32Array;
  readonly high: Int32Array;
}

/** Ranges of values while a program is gone through. */
export interface Scope {
  readonly program: IntegerProgram;
  readonly channels: ReadonlyMap<string, Channels>;
  readonly ranges: Map<string, Range>;
}

/** Everything that the type allows. */
export function whole(scope: Scope, name: string): Range {
  const dtype = scope.program.values.get(name)?.dtype ?? "int8";
  const [low, high] = LEVELS[dtype as keyof typeof LEVELS] ?? [0, 0];
  const count = scope.channels.get(name)?.count ?? 1;
  return { low: new Int32Array(count).fill(low), high: new Int32Array(count).fill(high) };
}

/** Range of an operand: a value's, or a constant's as a whole. */
export function rangeOf(scope: Scope, name: string): Range {
  const known = scope.ranges.get(name);
  if (known !== undefined) return known;
  const constant = scope.program.constants.get(name);
  if (constant === undefined || scope.program.values.has(name)) return whole(scope, name);
  const values = toNumbers(constant);
  return { low: Int32Array.of(Math.min(...values)), high: Int32Array.of(Math.max(...values)) };
}

/** The same for `count` channels: by channel where they are known, else the widest for all. */
export function spread(range: Range, count: number): Range {
  if (range.low.length === count) return range;
  return {
    low: new Int32Array(count).fill(range.low.reduce((a, b) => Math.min(a, b))),
    high: new Int32Array(count).fill(range.high.reduce((a, b) => Math.max(a, b))),
  };
}
