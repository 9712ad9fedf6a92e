import type { Node } from "../../graph/model.ts";
import { tensor as makeTensor, type Tensor, toNumbers, view } from "../../graph/tensor.ts";
import type { MoveStep } from "../../interp/integer/program.ts";
import { kernelOf } from "../../interp/kernels.ts";
import { type Block, flatGather, gatherOf, runsOf } from "./index-map.ts";
import { type Layout, naturalOrder, orderOf, placesOf, plainLayout, sizeOf, stridesOf } from "./layout.ts";
import {
  addCopy,
  addValue,
  type Held,
  heldOf,
  integerValue,
  isConstant,
  type Lowering,
  makeValue,
  refuse,
  unsignedShift,
  usualOrder,
} from "./lowering.ts";

/** Which inputs are data, the others being indices and sizes. */
function dataInputs(node: Node): readonly number[] {
  if (node.op === "Concat") return naturalOrder(node.inputs.length);
  return node.op === "Where" ? [1, 2] : [0];
}

/** A source of a movement: its value on the device and where its numbers start among those of all sources. */
interface Source {
  readonly name: string;
  readonly held: Held;
  readonly start: number;
  readonly count: number;
}

/** Number 0 stands for the value of a padding; elements of sources count from 1. */
const PADDING = 0;

/** Finds out what goes where by moving the places of elements in memory through the operator's own kernel. */
export function lowerProbed(at: Lowering, step: MoveStep): void {
  const node = step.operator;
  const data = dataInputs(node);
  const sources: Source[] = [];
  let start = 1;
  const inputs = step.inputs.map((name, i): Tensor | undefined => {
    if (name === "") return undefined;
    if (data.includes(i)) {
      const held = heldOf(at, name);
      const { shape } = integerValue(at, name);
      const from = start;
      sources.push({ name, held, start, count: sizeOf(shape) });
      start += sizeOf(shape);
      return makeTensor(
        "int32",
        shape,
        placesOf(held.layout).map((place) => place + from),
      );
    }
    if (node.op === "Pad" && i === 2) return makeTensor("int32", [], Int32Array.of(PADDING));
    return at.program.constants.get(name);
  });
  const kernel = kernelOf(node.op);
  const fault = { node: step.node, kind: node.op };
  if (step.inputs.some((name, i) => name !== "" && inputs[i] === undefined) || typeof kernel !== "function") {
    refuse(at, {
      ...fault,
      why: "its indices or sizes are computed while the network runs",
      suggestion: "simplify the model with fixed sizes first, or replace the data-dependent choice",
    });
    return;
  }
  const runGraph = (): never => {
    throw new Error("a movement has no graph inside");
  };
  const made = kernel(inputs, { node, outputCount: step.outputs.length, runGraph });
  step.outputs.forEach((output, i) => {
    const numbers = made[i];
    if (output === "" || !at.live.has(output) || numbers === undefined) return;
    if (!writeMoved(at, step, { output, sources, numbers: view(numbers, "int32") }))
      refuse(at, {
        ...fault,
        why: "elements of several values are mixed without an order that copies could follow",
        suggestion: "write it with Concat, Slice and arithmetic",
      });
  });
}

/** The order in which a moved value is to lie: as its largest source does. */
function orderFor(at: Lowering, output: string, sources: readonly Source[]): number[] {
  const { shape } = integerValue(at, output);
  const usual = usualOrder(shape.length);
  const [largest] = sources.filter(({ name }) => !isConstant(at, name)).sort((a, b) => b.count - a.count);
  if (largest === undefined || largest.held.layout.length !== shape.length) return usual;
  return orderOf(largest.held.layout, usual) ?? usual;
}

/** Writes the steps that make one output; false when there is no way. */
function writeMoved(
  at: Lowering,
  step: MoveStep,
  from: { readonly output: string; readonly sources: readonly Source[]; readonly numbers: Int32Array },
): boolean {
  const { output, sources } = from;
  const order = orderFor(at, output, sources);
  const { shape } = integerValue(at, output);
  const layout = plainLayout(shape, order);
  const numbers = inMemory(from.numbers, layout);
  const sizes = order.map((axis) => shape[axis] as number);
  const only = sources.find(({ start, count }) => numbers.every((n) => n >= start && n < start + count));
  if (only !== undefined) {
    writeWhole(at, step, { output, order, source: only, block: { sizes, map: numbers.map((n) => n - only.start) } });
    return true;
  }
  const parts = sources.flatMap((source) => {
    const box = boxOf(numbers, sizes, source);
    return box === undefined
      ? []
      : [{ source, box, runs: box.block === undefined ? undefined : runsOf(box.block, stridesOf(sizes)) }];
  });
  if (parts.some((part) => part.runs === undefined)) {
    if (numbers.includes(PADDING)) return false;
    const block = { sizes, map: numbers.map((n) => n - 1) };
    writeWhole(at, step, { output, order, source: joined(at, step, { output, sources }), block });
    return true;
  }
  makeValue(at, output, order);
  if (numbers.includes(PADDING)) {
    const value = at.program.constants.get(step.inputs[2] ?? "");
    const q = value === undefined ? 0 : (toNumbers(value)[0] as number);
    at.steps.push({
      kind: "fill",
      node: step.node,
      inputs: [],
      output,
      count: numbers.length,
      value: q - unsignedShift(at, output),
    });
  }
  for (const { source, box, runs } of parts)
    addCopy(at, {
      node: step.node,
      input: source.held.name,
      output,
      runs: runs ?? [],
      inputOffset: box.block?.map[0] ?? 0,
      outputOffset: box.offset,
    });
  return true;
}

/** All sources one behind the other, for what mixes them without an order: one gather then takes from all. */
function joined(at: Lowering, step: MoveStep, from: { readonly output: string; readonly sources: readonly Source[] }): Source {
  const name = `${from.output} operands`;
  const count = from.sources.reduce((sum, source) => sum + source.count, 0);
  addValue(at, name, { like: from.output, shape: [count] });
  for (const { held, start, count: size } of from.sources)
    addCopy(at, {
      node: step.node,
      input: held.name,
      output: name,
      runs: [{ size, strides: [1, 1] }],
      outputOffset: start - 1,
    });
  return { name, held: { name, layout: [[{ size: count, stride: 1 }]] }, start: 1, count };
}

/** Numbers in the order of the model brought to the order of memory. */
function inMemory(numbers: Int32Array, layout: Layout): Int32Array {
  const places = placesOf(layout);
  const out = new Int32Array(numbers.length);
  for (let i = 0; i < out.length; i++) out[places[i] as number] = numbers[i] as number;
  return out;
}

/** The box of an output that a source fills; a box without a block has holes. `undefined` when the source is not in it. */
function boxOf(
  numbers: Int32Array,
  sizes: readonly number[],
  source: Source,
): { readonly block: Block | undefined; readonly offset: number } | undefined {
  const strides = stridesOf(sizes);
  const isOurs = (n: number): boolean => n >= source.start && n < source.start + source.count;
  const low = sizes.map(() => Number.POSITIVE_INFINITY);
  const high = sizes.map(() => -1);
  let count = 0;
  for (let i = 0; i < numbers.length; i++) {
    if (!isOurs(numbers[i] as number)) continue;
    count++;
    for (let d = 0; d < sizes.length; d++) {
      const index = Math.floor(i / (strides[d] as number)) % (sizes[d] as number);
      if (index < (low[d] as number)) low[d] = index;
      if (index > (high[d] as number)) high[d] = index;
    }
  }
  if (count === 0) return undefined;
  const boxSizes = sizes.map((_, d) => (high[d] as number) - (low[d] as number) + 1);
  const offset = low.reduce((sum, index, d) => sum + index * (strides[d] as number), 0);
  if (sizeOf(boxSizes) !== count) return { block: undefined, offset };
  const places = placesOf(boxSizes.map((size, d) => [{ size, stride: strides[d] as number }]));
  return { block: { sizes: boxSizes, map: places.map((place) => (numbers[place + offset] as number) - source.start) }, offset };
}

/** An output that is all from one source: gathers as far as they are needed, then a copy unless all is in place. */
function writeWhole(
  at: Lowering,
  step: MoveStep,
  how: { readonly output: string; readonly order: readonly number[]; readonly source: Source; readonly block: Block },
): void {
  const { output, order, source, block } = how;
  const { node } = step;
  const isSame = (map: Int32Array, count: number): boolean => map.length === count && map.every((n, i) => n === i);
  const finish = (input: string, rest: Block): boolean => {
    const runs = runsOf(rest, stridesOf(rest.sizes));
    if (runs === undefined) return false;
    makeValue(at, output, order);
    addCopy(at, { node, input, output, runs, inputOffset: rest.map[0] as number });
    return true;
  };
  if (isSame(block.map, source.count)) {
    at.held.set(output, { name: source.held.name, layout: plainLayout(integerValue(at, output).shape, order) });
    return;
  }
  if (finish(source.held.name, block)) return;
  let input = source.held.name;
  let rest = block;
  let sizes: readonly number[] = sizesInMemory(source.held.layout);
  for (let i = 1; ; i++) {
    const plan = gatherOf(rest, sizes);
    if (plan === undefined) break;
    const { outer, depth, inner, indices } = plan;
    const last = isSame(plan.rest.map, sizeOf(plan.sizes));
    const made = last ? makeValue(at, output, order) : `${output} part ${i}`;
    if (!last) addValue(at, made, { like: output, shape: plan.sizes });
    at.steps.push({ kind: "gather", node, inputs: [input], output: made, outer, depth, inner, elementBytes: 1, indices });
    if (last || finish(made, plan.rest)) return;
    input = made;
    rest = plan.rest;
    sizes = plan.sizes;
  }
  const { depth, inner, indices } = flatGather(rest.map, sizeOf(sizes));
  makeValue(at, output, order);
  at.steps.push({ kind: "gather", node, inputs: [input], output, outer: 1, depth, inner, elementBytes: 1, indices });
}

/** Sizes of dense memory as its layout has them. */
function sizesInMemory(layout: Layout): number[] {
  const runs = layout.flat().sort((a, b) => b.stride - a.stride);
  return runs.length === 0 ? [1] : runs.map((factor) => factor.size);
}
