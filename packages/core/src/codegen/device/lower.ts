import { fail } from "../../base/error.ts";
import type { IntegerProgram, IntegerStep } from "../../interp/integer/program.ts";
import { outputsOf } from "../../interp/integer/run.ts";
import { type Border, borderOf } from "./border.ts";
import { faultOf, inputFaults } from "./faults.ts";
import { inputOrder } from "./input-order.ts";
import { naturalOrder, orderOf } from "./layout.ts";
import { lowerBinary, lowerUnary } from "./lower-elementwise.ts";
import { lowerMove } from "./lower-move.ts";
import { lowerAlong, lowerLstm, lowerMean, lowerPool, lowerResize } from "./lower-reduce.ts";
import { lowerConv, lowerFullyConnected } from "./lower-sums.ts";
import { type DeviceFault, heldOf, inOrder, integerValue, type Lowering, makeValue, refuse, usualOrder } from "./lowering.ts";
import type { DeviceLayout, DeviceProgram } from "./program.ts";

/**
 * Turns an integer program into what a microcontroller computes: pictures as [height, width, channels], no batch, literal sizes. Reshapes and
 * transposes become views as far as nobody needs the elements in another order; paddings are taken in by convolutions; conversions from and to float
 * at the ends are cut off, so that the device takes and gives integers. uint8 becomes int8 with all zero points less 128.
 *
 * @throws TARGET_RULE with every node that a device cannot compute, and what would help
 *
 * @example
 * const program = lowerToDevice(compileInteger(model, plan));
 * const outputs = runDevice(program, new Map([["input", deviceInput(program, "input", tensor)]]));
 */
export function lowerToDevice(program: IntegerProgram): DeviceProgram {
  const { device, faults } = lower(program);
  if (faults.length === 0) return device;
  const lines = faults.map(({ node, kind, why, suggestion }) => `\n- ${node} (${kind}): ${why}; ${suggestion}`);
  throw fail(
    "TARGET_RULE",
    `Cannot compute the network on a microcontroller: ${faults.length} ${faults.length === 1 ? "node has" : "nodes have"} no integer form there${lines.join("")}`,
    { hint: "Change the nodes as suggested, or run them on the host" },
  );
}

/** Everything that {@link lowerToDevice} would refuse, without throwing; empty when a device can compute the program. */
export function deviceFaults(program: IntegerProgram): readonly DeviceFault[] {
  return lower(program).faults;
}

function lower(program: IntegerProgram): { readonly device: DeviceProgram; readonly faults: readonly DeviceFault[] } {
  const border = borderOf(program);
  const at: Lowering = {
    program,
    values: new Map(),
    views: new Map(),
    constants: new Map(),
    steps: [],
    held: new Map(),
    pads: new Map(),
    readers: readersOf(border.steps),
    live: liveValues(border),
    faults: [],
  };
  at.faults.push(...inputFaults(program, border));
  const inputs = border.inputs.map((name) => makeValue(at, name, inputOrder(at, name)));
  for (const step of border.steps) if (outputsOf(step).some((name) => at.live.has(name))) lowerStep(at, step);
  const outputs = border.outputs.map((name) => settle(at, name, inputs));
  const device: DeviceProgram = {
    kind: "device-program",
    profile: program.profile,
    inputs,
    outputs,
    values: withLayouts(at, [...inputs, ...outputs]),
    views: at.views,
    constants: usedConstants(at),
    steps: at.steps,
  };
  return { device, faults: at.faults };
}

function lowerStep(at: Lowering, step: IntegerStep): void {
  const fault = faultOf(at, step);
  if (fault !== undefined) {
    refuse(at, fault);
    // Later steps are looked at all the same.
    for (const name of outputsOf(step)) makeValue(at, name, usualOrder(integerValue(at, name).shape.length));
    return;
  }
  switch (step.kind) {
    case "conv":
    case "depthwise":
      lowerConv(at, step);
      break;
    case "fullyConnected":
      lowerFullyConnected(at, step);
      break;
    case "add":
    case "mul":
    case "prelu":
    case "maximum":
    case "minimum":
      lowerBinary(at, step);
      break;
    case "maxPool":
    case "averagePool":
      lowerPool(at, step);
      break;
    case "mean":
      lowerMean(at, step);
      break;
    case "unary":
      lowerUnary(at, step);
      break;
    case "softmax":
    case "l2Normalization":
      lowerAlong(at, step);
      break;
    case "resizeBilinear":
      lowerResize(at, step);
      break;
    case "lstm":
      lowerLstm(at, step);
      break;
    case "move":
      lowerMove(at, step);
      break;
  }
}

function readersOf(steps: readonly IntegerStep[]): ReadonlyMap<string, readonly IntegerStep[]> {
  const readers = new Map<string, IntegerStep[]>();
  for (const step of steps)
    for (const name of new Set(step.inputs)) {
      const list = readers.get(name);
      if (list === undefined) readers.set(name, [step]);
      else list.push(step);
    }
  return readers;
}

/** Names that the outputs need, and the inputs. */
function liveValues(border: Border): ReadonlySet<string> {
  const live = new Set(border.outputs);
  for (const step of [...border.steps].reverse())
    if (outputsOf(step).some((name) => live.has(name))) for (const name of step.inputs) if (name !== "") live.add(name);
  return live;
}

/** Gives an output memory of its own name: a view of another value, or a copy where it would be an input or lies in pieces. */
function settle(at: Lowering, name: string, inputs: readonly string[]): string {
  const { shape } = integerValue(at, name);
  const held = heldOf(at, name);
  const value = at.values.get(held.name);
  const order = orderOf(held.layout, usualOrder(shape.length));
  if (held.name === name) return name;
  if (value === undefined || order === undefined || inputs.includes(held.name)) {
    const made = inOrder(at, name, { order: order ?? naturalOrder(shape.length), node: name });
    // A copy under a name of its own, unless one was there already.
    if (!inputs.includes(made.name)) return view(at, name, made.name);
    makeValue(at, name, order ?? naturalOrder(shape.length));
    const count = value?.bytes ?? 0;
    at.steps.push({
      kind: "copy",
      node: name,
      inputs: [made.name],
      output: name,
      sizes: [count],
      elementBytes: 1,
      inputOffset: 0,
      inputStrides: [1],
      outputOffset: 0,
      outputStrides: [1],
    });
    return name;
  }
  return view(at, name, held.name);
}

/** Makes an output a view of another value. */
function view(at: Lowering, name: string, owner: string): string {
  const { shape } = integerValue(at, name);
  const held = heldOf(at, name);
  const order = orderOf(held.layout, usualOrder(shape.length)) ?? naturalOrder(shape.length);
  makeValue(at, name, order);
  at.views.set(name, owner);
  return name;
}

/** Says of inputs and outputs how the model has them. */
function withLayouts(at: Lowering, names: readonly string[]): Lowering["values"] {
  for (const name of names) {
    const value = at.values.get(name);
    const { dtype, shape } = integerValue(at, name);
    if (value === undefined) continue;
    const order = orderOf(heldOf(at, name).layout, usualOrder(shape.length)) ?? naturalOrder(shape.length);
    const model: DeviceLayout = { dtype, shape, order };
    at.values.set(name, { ...value, model });
  }
  return at.values;
}

/** Constants that some step reads. */
function usedConstants(at: Lowering): DeviceProgram["constants"] {
  const read = new Set(at.steps.flatMap((step) => step.inputs));
  return new Map([...at.constants].filter(([name]) => read.has(name)));
}
