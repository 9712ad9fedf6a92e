import { fail, placed } from "../../base/error.ts";
import { runLstm } from "../../interp/integer/lstm.ts";
import { runL2Normalization, runSoftmax } from "../../interp/integer/softmax.ts";
import type { DeviceDType, DeviceLstm, DeviceProgram, DeviceStep } from "./program.ts";
import type { DeviceData } from "./relayout.ts";
import { runBinary, runTable } from "./run-elementwise.ts";
import { runCopy, runGather, runMean, runResize } from "./run-move.ts";
import { runConv, runDepthwise, runFullyConnected, runPool } from "./run-window.ts";

const ARRAYS = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, int32: Int32Array } as const satisfies Record<
  DeviceDType,
  unknown
>;

/** Options of {@link runDevice}. */
export interface RunDeviceOptions {
  /** Called with each value after each step that writes to it. */
  readonly onValue?: (name: string, data: DeviceData) => void;
}

/**
 * Runs a program as a device would, every value in memory of its own: the reference of the generated code. Slow. Equal to runInteger bit for bit once
 * inputs and outputs are in the model's layout (deviceInput, deviceOutput).
 *
 * @param feeds integers of each input in storage order
 * @returns the outputs in storage order, by name
 * @throws DATA_MISSING for an input that is not fed; SHAPE_MISMATCH for one of another size
 */
export function runDevice(
  program: DeviceProgram,
  feeds: ReadonlyMap<string, DeviceData>,
  options: RunDeviceOptions = {},
): Map<string, DeviceData> {
  const memory = new Map<string, DeviceData>();
  for (const [name, constant] of program.constants) memory.set(name, constant.data);
  for (const [name, value] of program.values) {
    if (program.views.has(name)) continue;
    const count = value.shape.reduce((n, size) => n * size, 1);
    memory.set(name, new ARRAYS[value.dtype](count));
  }
  for (const [name, owner] of program.views) memory.set(name, at(memory, owner));
  for (const name of program.inputs) {
    const data = feeds.get(name);
    const own = at(memory, name);
    if (data === undefined)
      throw fail("DATA_MISSING", `Cannot run the program: its input "${name}" is not fed`, { at: { tensor: name } });
    if (data.length !== own.length)
      throw fail("SHAPE_MISMATCH", `Cannot feed "${name}" with ${data.length} values: it has ${own.length}`, {
        at: { tensor: name },
      });
    own.set(data);
  }
  for (const step of program.steps) {
    try {
      runStep(step, memory);
    } catch (error) {
      throw placed(error, { node: step.node });
    }
    options.onValue?.(step.output, at(memory, step.output));
  }
  return new Map(program.outputs.map((name) => [name, at(memory, name)]));
}

function at(memory: ReadonlyMap<string, DeviceData>, name: string): DeviceData {
  const data = memory.get(name);
  if (data === undefined)
    throw fail("DATA_MISSING", `Cannot read "${name}": the program has no such value`, { at: { tensor: name } });
  return data;
}

function runStep(step: DeviceStep, memory: ReadonlyMap<string, DeviceData>): void {
  const out = at(memory, step.output);
  if (step.kind === "fill") {
    out.fill(step.value, 0, step.count);
    return;
  }
  const input = at(memory, step.inputs[0] as string);
  switch (step.kind) {
    case "conv":
      runConv(step, input, out);
      break;
    case "depthwise":
      runDepthwise(step, input, out);
      break;
    case "fullyConnected":
      runFullyConnected(step, input, out);
      break;
    case "add":
    case "mul":
    case "prelu":
    case "maximum":
    case "minimum":
      runBinary(step, [input, at(memory, step.inputs[1] as string)], out);
      break;
    case "maxPool":
    case "averagePool":
      runPool(step, input, out);
      break;
    case "mean":
      runMean(step, input, out);
      break;
    case "table":
      runTable(step, input, out);
      break;
    case "softmax":
      runSoftmax({ ...step, output: step.output }, input, out);
      break;
    case "l2Normalization":
      runL2Normalization(step, input, out);
      break;
    case "resizeBilinear":
      runResize(step, input, out);
      break;
    case "copy":
      runCopy(step, input, out);
      break;
    case "gather":
      runGather(step, input, out);
      break;
    case "lstm":
      runSequence(step, input, memory);
      break;
  }
}

function runSequence(step: DeviceLstm, input: DeviceData, memory: ReadonlyMap<string, DeviceData>): void {
  const { output, hidden, cell } = runLstm(step.lstm, input);
  at(memory, step.output).set(output);
  if (step.states[0] !== "") at(memory, step.states[0]).set(hidden);
  if (step.states[1] !== "") at(memory, step.states[1]).set(cell);
}
