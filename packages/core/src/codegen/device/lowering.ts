import { view } from "../../graph/tensor.ts";
import type { IntegerProgram, IntegerStep, IntegerValue, Rescale } from "../../interp/integer/program.ts";
import {
  type CommonRun,
  joinRuns,
  type Layout,
  naturalOrder,
  placesOf,
  plainLayout,
  refine,
  sameLayout,
  sizeOf,
  storageRuns,
} from "./layout.ts";
import type { DeviceConstant, DeviceDType, DeviceRescale, DeviceStep, DeviceValue } from "./program.ts";

/** What a device cannot do, and what would help. */
export interface DeviceFault {
  readonly node: string;
  /** Kind of step, or the operator of the model where that says more. */
  readonly kind: string;
  readonly why: string;
  readonly suggestion: string;
}

/** Where a value of the integer program lies: in which value of the device and how. */
export interface Held {
  readonly name: string;
  readonly layout: Layout;
}

/** A padding that convolutions take in: the value before it and what is added above and to the left. */
export interface TakenPad {
  readonly source: string;
  readonly pads: readonly [number, number];
}

/** What lowering of a whole program collects. */
export interface Lowering {
  readonly program: IntegerProgram;
  readonly values: Map<string, DeviceValue>;
  readonly views: Map<string, string>;
  readonly constants: Map<string, DeviceConstant>;
  readonly steps: DeviceStep[];
  readonly held: Map<string, Held>;
  readonly pads: Map<string, TakenPad>;
  /** Steps that read each value. */
  readonly readers: ReadonlyMap<string, readonly IntegerStep[]>;
  /** Names of values that some output needs. */
  readonly live: ReadonlySet<string>;
  readonly faults: DeviceFault[];
}

/** Puts a step on the list of what the device cannot do. */
export function refuse(at: Lowering, fault: DeviceFault): void {
  at.faults.push(fault);
}

/** A value of the integer program. Constants have no encoding. */
export function integerValue(at: Lowering, name: string): IntegerValue {
  const value = at.program.values.get(name);
  if (value !== undefined) return value;
  const constant = at.program.constants.get(name);
  return { name, dtype: constant?.dtype ?? "float32", shape: constant?.shape ?? [] };
}

/** What unsigned integers lose when they become signed ones: 128, with their zero points, so that they stand for the same reals. */
export function unsignedShift(at: Lowering, name: string): number {
  return integerValue(at, name).dtype === "uint8" ? 128 : 0;
}

/** The order in which values of a rank lie unless something asks for another: pictures with their channels last. */
export function usualOrder(rank: number): number[] {
  return rank === 4 ? [0, 2, 3, 1] : naturalOrder(rank);
}

/** The order that windows slide over: channels last, for pictures and for sequences. */
export function windowOrder(rank: number): number[] {
  return rank === 3 ? [0, 2, 1] : usualOrder(rank);
}

/** Sizes in storage order without the batch. */
function storageShape(shape: readonly number[], order: readonly number[]): number[] {
  const sizes = order.map((axis) => shape[axis] as number);
  return sizes.length > 1 && order[0] === 0 && sizes[0] === 1 ? sizes.slice(1) : sizes;
}

/** Adds a value to the device: `like` is the value of the integer program whose type and encoding it has. */
export function addValue(at: Lowering, name: string, how: { readonly like: string; readonly shape: readonly number[] }): void {
  const { dtype, scale, zeroPoint } = integerValue(at, how.like);
  const signed: DeviceDType = dtype === "uint8" ? "int8" : (dtype as DeviceDType);
  at.values.set(name, {
    name,
    dtype: signed,
    shape: how.shape,
    bytes: sizeOf(how.shape) * (signed === "int8" ? 1 : signed === "int16" ? 2 : 4),
    scale: scale ?? 1,
    zeroPoint: (zeroPoint ?? 0) - (dtype === "uint8" ? 128 : 0),
  });
}

/** Adds a value of the integer program to the device, lying in `order`, and gives its name. */
export function makeValue(at: Lowering, name: string, order: readonly number[]): string {
  const { shape } = integerValue(at, name);
  addValue(at, name, { like: name, shape: storageShape(shape, order) });
  at.held.set(name, { name, layout: plainLayout(shape, order) });
  return name;
}

/** Adds a value that lies just as another one does. */
export function makeValueLike(at: Lowering, name: string, model: Held): string {
  addValue(at, name, { like: name, shape: (at.values.get(model.name) ?? at.constants.get(model.name))?.shape ?? [] });
  at.held.set(name, { name, layout: model.layout });
  return name;
}

/** Where a value lies; constants are laid down in their own order when they are first asked for. */
export function heldOf(at: Lowering, name: string): Held {
  const held = at.held.get(name);
  if (held !== undefined) return held;
  const { shape } = integerValue(at, name);
  const made: Held = { name, layout: plainLayout(shape, naturalOrder(shape.length)) };
  if (at.program.constants.has(name)) addConstant(at, name, made);
  at.held.set(name, made);
  return made;
}

/** Whether a name is a constant of the integer program. */
export function isConstant(at: Lowering, name: string): boolean {
  return at.program.constants.has(name) && !at.program.values.has(name);
}

/** Lays a constant of the program down in memory. */
export function addConstant(at: Lowering, name: string, as: Held): void {
  const tensor = at.program.constants.get(as.name) ?? at.program.constants.get(name);
  if (tensor === undefined || at.constants.has(as.name)) return;
  const shift = tensor.dtype === "uint8" ? 128 : 0;
  const from = tensor.dtype === "uint8" ? view(tensor, "uint8") : tensor.dtype === "int8" ? view(tensor, "int8") : undefined;
  if (from === undefined) return;
  const places = placesOf(as.layout);
  const data = new Int8Array(from.length);
  for (let i = 0; i < data.length; i++) data[places[i] as number] = (from[i] as number) - shift;
  const sizes = storageRuns(as.layout).map(({ factor }) => factor.size);
  at.constants.set(as.name, { name: as.name, dtype: "int8", shape: sizes.length === 0 ? [1] : sizes, data });
}

/** Bytes of one element. */
function elementBytes(at: Lowering, name: string): 1 | 2 | 4 {
  const dtype = at.values.get(name)?.dtype ?? at.constants.get(name)?.dtype ?? "int8";
  return dtype === "int16" ? 2 : dtype === "int32" ? 4 : 1;
}

/** Adds a copy by runs whose strides are [output, input]. */
export function addCopy(
  at: Lowering,
  how: {
    readonly node: string;
    readonly input: string;
    readonly output: string;
    readonly runs: readonly CommonRun[];
    readonly inputOffset?: number;
    readonly outputOffset?: number;
  },
): void {
  const runs = joinRuns([...how.runs].sort((a, b) => (b.strides[0] as number) - (a.strides[0] as number)));
  const whole = runs.length === 0 ? [{ size: 1, strides: [1, 1] }] : runs;
  at.steps.push({
    kind: "copy",
    node: how.node,
    inputs: [how.input],
    output: how.output,
    sizes: whole.map((run) => run.size),
    elementBytes: elementBytes(at, how.output),
    inputOffset: how.inputOffset ?? 0,
    inputStrides: whole.map((run) => run.strides[1] as number),
    outputOffset: how.outputOffset ?? 0,
    outputStrides: whole.map((run) => run.strides[0] as number),
  });
}

/** The device's value with the elements of a value in that order, copied there when they lie in another. Each order is made once. */
export function inOrder(at: Lowering, name: string, how: { readonly order: readonly number[]; readonly node: string }): Held {
  const held = heldOf(at, name);
  const { shape } = integerValue(at, name);
  const layout = plainLayout(shape, how.order);
  if (sameLayout(held.layout, layout) && at.values.has(held.name)) return held;
  const as = `${name} as [${storageShape(shape, how.order).join("x")}] ${how.order.join("")}`;
  if (!at.values.has(as)) {
    addValue(at, as, { like: name, shape: storageShape(shape, how.order) });
    const runs = layout.flatMap((factors, axis) => refine([factors, held.layout[axis] ?? []]) ?? []);
    addCopy(at, { node: how.node, input: held.name, output: as, runs });
  }
  return { name: as, layout };
}

/** How sums are rescaled on a device; `undefined` for rules that no device has. */
export function deviceRescale(rescale: Rescale): DeviceRescale | undefined {
  if (rescale.rule !== "double" && rescale.rule !== "single") return undefined;
  return { rule: rescale.rule, multipliers: rescale.multipliers, shifts: rescale.shifts };
}
