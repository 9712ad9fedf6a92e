import { fail } from "../../base/error.ts";
import { seededRandom } from "../../base/random.ts";
import type { DeviceProgram, DeviceStep, DeviceValue } from "./program.ts";
import type { DeviceData } from "./relayout.ts";
import { runDevice } from "./run.ts";
import type { Schedule } from "./schedule.ts";
import { ownerOf } from "./schedule-rows.ts";

const BYTES = { int8: 1, uint8: 1, int16: 2, int32: 4 } as const;
const ARRAYS = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, int32: Int32Array } as const;

/** One arena, and where things lie in it. */
export interface Machine {
  readonly program: DeviceProgram;
  readonly schedule: Schedule;
  readonly arena: Int8Array;
}

/** Where a value or a block lies. */
export function offsetOf({ program, schedule }: Pick<Machine, "program" | "schedule">, name: string): number {
  const offset = schedule.memory.offsets.get(ownerOf(program, name));
  if (offset === undefined) throw fail("SCHEDULE_INVALID", `Cannot find "${name}" in the memory plan`, { at: { tensor: name } });
  return offset;
}

/** The bytes of an array, not copied. */
export function bytesOf(data: DeviceData): Int8Array {
  return new Int8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Fills a part of the arena with noise. */
export function scribble({ arena }: Machine, from: number, bytes: number): void {
  const random = seededRandom(from + bytes);
  for (let i = from; i < from + bytes; i++) arena[i] = random.int(256) - 128;
}

/** A copy of a whole value. */
export function contents(machine: Machine, name: string): DeviceData {
  const { dtype, bytes } = machine.program.values.get(name) as DeviceValue;
  const start = offsetOf(machine, name);
  return new ARRAYS[dtype](machine.arena.slice(start, start + bytes).buffer);
}

/** Runs one step on arrays of its own. `before`: what the output holds already, for steps that write a part of it. */
export function compute(
  machine: Machine,
  step: DeviceStep,
  { inputs, before }: { inputs: readonly DeviceData[]; before: DeviceData },
): DeviceData {
  const values = new Map<string, DeviceValue>();
  const feeds = new Map<string, DeviceData>();
  const put = (name: string, like: string, data: DeviceData): string => {
    const model = machine.program.values.get(like) ?? machine.program.constants.get(like);
    const dtype = model?.dtype ?? "int8";
    values.set(name, { name, dtype, shape: [data.length], bytes: data.length * BYTES[dtype], scale: 1, zeroPoint: 0 });
    feeds.set(name, data);
    return name;
  };
  const names = inputs.map((data, i) => put(`in${i}`, step.inputs[i] as string, data));
  put("out", step.output, before);
  const program: DeviceProgram = {
    ...machine.program,
    inputs: [...names, "out"],
    outputs: ["out"],
    values,
    views: new Map(),
    constants: new Map(),
    steps: [{ ...step, inputs: names, output: "out" } as DeviceStep],
  };
  return runDevice(program, feeds).get("out") as DeviceData;
}

/** A step without rows, on whole values. An LSTM may write its states too. */
export function computeWhole(machine: Machine, step: DeviceStep): void {
  const { program } = machine;
  const touched = [...step.inputs, step.output, ...(step.kind === "lstm" ? step.states : [])].filter((name) => name !== "");
  const held = [...new Set(touched)].filter((name) => !program.constants.has(name));
  const feeds = new Map(held.map((name) => [name, contents(machine, name)]));
  const small: DeviceProgram = { ...program, inputs: held, outputs: held, views: new Map(), steps: [step] };
  const written = runDevice(small, feeds);
  const outputs = step.kind === "lstm" ? [step.output, ...step.states] : [step.output];
  for (const name of outputs.filter((name) => name !== ""))
    machine.arena.set(bytesOf(written.get(name) as DeviceData), offsetOf(machine, name));
}

/** What a kernel leaves in the memory it works in. */
export function noiseIn(machine: Machine, scratch: string | undefined): void {
  if (scratch === undefined) return;
  const block = machine.schedule.occupancy.flatMap(({ blocks }) => blocks).find(({ name }) => name === scratch);
  scribble(machine, offsetOf(machine, scratch), block?.bytes ?? 0);
}
