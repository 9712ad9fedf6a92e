import { fail } from "../../base/error.ts";
import type { IntegerProgram, IntegerStep } from "../../interp/integer/program.ts";
import { outputsOf } from "../../interp/integer/run.ts";
import { type Border, borderOf } from "./border.ts";
import { describeEnds, settleOutput } from "./ends.ts";
import { faultOf, inputFaults } from "./faults.ts";
import { inputOrder } from "./input-order.ts";
import { lowerBinary, lowerUnary } from "./lower-elementwise.ts";
import { lowerMove } from "./lower-move.ts";
import { lowerAlong, lowerLstm, lowerMean, lowerPool, lowerResize } from "./lower-reduce.ts";
import { lowerConv, lowerFullyConnected } from "./lower-sums.ts";
import { type DeviceFault, integerValue, type Lowering, makeValue, refuse, usualOrder } from "./lowering.ts";
import type { DeviceProgram } from "./program.ts";

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
  const outputs = border.outputs.map((name) => settleOutput(at, name, inputs));
  describeEnds(at, [...inputs, ...outputs]);
  const device: DeviceProgram = {
    kind: "device-program",
    profile: program.profile,
    inputs,
    outputs,
    values: at.values,
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

/** Constants that some step reads. */
function usedConstants(at: Lowering): DeviceProgram["constants"] {
  const read = new Set(at.steps.flatMap((step) => step.inputs));
  return new Map([...at.constants].filter(([name]) => read.has(name)));
}
