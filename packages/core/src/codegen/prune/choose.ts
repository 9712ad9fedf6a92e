import type { Graph } from "../../graph/model.ts";
import type { ConvStep, FullyConnectedStep, IntegerProgram } from "../../interp/integer/program.ts";
import { type ChannelMap, type Channels, channelAt, type Shapes } from "./channels.ts";
import type { Range } from "./range.ts";
import { isPadded } from "./ranges.ts";

/** What channel a removal takes away from each value: the channels that stay, for values that lose some. */
export type Kept = ReadonlyMap<string, readonly number[]>;

/** What is known about a network. */
export interface Known {
  readonly graph: Graph;
  readonly shapes: Shapes;
  readonly map: ChannelMap;
  readonly program: IntegerProgram;
  readonly ranges: ReadonlyMap<string, Range>;
  /** Nodes whose bias cannot take more: it would not come back to that integer. */
  readonly stubborn: ReadonlySet<string>;
}

/** A step that sums over the channels of its input. */
export type SumStep = ConvStep | FullyConnectedStep;

/** The step of a summing node; none where it runs in float. */
export function sumStepOf(program: IntegerProgram, node: string): SumStep | undefined {
  for (const step of program.steps)
    if (step.node === node && (step.kind === "conv" || step.kind === "fullyConnected")) return step;
  return undefined;
}

/** The weights, less their zero point, that an output of a sum has for a channel of its input. */
export function weightsFor(
  step: SumStep,
  channels: Channels,
  at: { readonly output: number; readonly channel: number },
): number[] {
  const { output, channel } = at;
  if (step.kind !== "fullyConnected") {
    const taps = step.kernel[0] * step.kernel[1];
    const first = (output * step.channels + channel) * taps;
    return Array.from(step.weights.subarray(first, first + taps));
  }
  const out: number[] = [];
  for (let i = 0; i < step.depth; i++)
    if (channelAt(channels, i) === channel) out.push((step.weights[output * step.depth + i] as number) - step.weightsZero);
  return out;
}

/** The integer that a channel always has; `undefined` when it varies. */
export function constantOf(known: Known, name: string, channel: number): number | undefined {
  const range = known.ranges.get(name);
  if (range === undefined || range.low.length !== known.map.channels.get(name)?.count) return undefined;
  return range.low[channel] === range.high[channel] ? range.low[channel] : undefined;
}

/**
 * The channels that can go: those that stand with others in no way but through operators that treat each channel by itself, and that every sum behind
 * them either does not read or reads as a constant that its bias can take. Of every value at least one channel stays.
 */
export function chooseKept(known: Known): Kept {
  const { map } = known;
  const start = new Map<string, number>();
  let total = 0;
  for (const [name, { count }] of map.channels) {
    start.set(name, total);
    total += count;
  }
  const groups = joinLinked(map, start, total);
  const stays = new Uint8Array(total);
  const keep = (name: string, channel: number): void => {
    const at = start.get(name);
    if (at !== undefined) stays[find(groups, at + channel)] = 1;
  };
  for (const name of map.fixed) for (let c = 0; c < (map.channels.get(name)?.count ?? 0); c++) keep(name, c);
  for (const { node, input } of map.absorbers) {
    const channels = map.channels.get(input);
    if (channels === undefined) continue;
    const free = absorbed(known, { node: node.name, input, channels });
    for (let c = 0; c < channels.count; c++) if (!free[c]) keep(input, c);
  }
  // Nothing may become empty.
  for (const [name, { count }] of map.channels) {
    const at = start.get(name) as number;
    if (Array.from({ length: count }, (_, c) => stays[find(groups, at + c)]).every((stay) => stay === 0)) keep(name, 0);
  }
  const kept = new Map<string, readonly number[]>();
  for (const [name, { count }] of map.channels) {
    const at = start.get(name) as number;
    const list = Array.from({ length: count }, (_, c) => c).filter((c) => stays[find(groups, at + c)] === 1);
    if (list.length < count) kept.set(name, list);
  }
  return kept;
}

/** Which channels a sum can do without. */
function absorbed(
  known: Known,
  at: { readonly node: string; readonly input: string; readonly channels: Channels },
): readonly boolean[] {
  const step = sumStepOf(known.program, at.node);
  if (step === undefined || step.bias instanceof BigInt64Array || step.rescale.rule === "wide")
    return new Array<boolean>(at.channels.count).fill(false);
  const read = new Uint8Array(at.channels.count);
  if (step.kind !== "fullyConnected") {
    const taps = step.kernel[0] * step.kernel[1];
    for (let i = 0; i < step.weights.length; i++) if (step.weights[i] !== 0) read[Math.floor(i / taps) % step.channels] = 1;
  } else
    for (let o = 0; o < step.outputs; o++)
      for (let i = 0; i < step.depth; i++)
        if (step.weights[o * step.depth + i] !== step.weightsZero) read[channelAt(at.channels, i)] = 1;
  return Array.from(read, (isRead, c) => {
    if (isRead === 0) return true;
    const q = constantOf(known, at.input, c);
    if (q === undefined) return false;
    if (q === step.inputZero) return true;
    return !(step.kind !== "fullyConnected" && isPadded(step)) && !known.stubborn.has(at.node);
  });
}

/** Union-find over all channels of all values. */
function joinLinked(map: ChannelMap, start: ReadonlyMap<string, number>, total: number): Int32Array {
  const groups = Int32Array.from({ length: total }, (_, i) => i);
  for (const { from, to, offset, multiple } of map.links) {
    const [a, b] = [start.get(from), start.get(to)];
    const count = map.channels.get(from)?.count ?? 0;
    if (a === undefined || b === undefined) continue;
    for (let c = 0; c < count; c++)
      for (let m = 0; m < multiple; m++) {
        const [x, y] = [find(groups, a + c), find(groups, b + offset + c * multiple + m)];
        if (x !== y) groups[y] = x;
      }
  }
  return groups;
}

function find(groups: Int32Array, i: number): number {
  let root = i;
  while (groups[root] !== root) root = groups[root] as number;
  for (let at = i; at !== root; ) {
    const next = groups[at] as number;
    groups[at] = root;
    at = next;
  }
  return root;
}
