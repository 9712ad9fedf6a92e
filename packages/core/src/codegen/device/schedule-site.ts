import type { DeviceProgram, DeviceStep } from "./program.ts";
import { activationsOf, ownerOf, writtenBy } from "./schedule-rows.ts";

/** From which to which step a value needs memory. */
export interface ValueLife {
  readonly bytes: number;
  /** Step that writes it first; -1 for an input of the program. */
  first: number;
  /** Last step that touches it; the number of steps for an output of the program. */
  last: number;
}

/** What all parts of scheduling look at. */
export interface ScheduleSite {
  readonly program: DeviceProgram;
  /** Lives of the values that own memory. */
  readonly lives: ReadonlyMap<string, ValueLife>;
  /** Owners that each step reads and writes. */
  readonly reads: readonly (readonly { readonly operand: number; readonly owner: string }[])[];
  readonly writes: readonly (readonly string[])[];
  readonly alignment: number;
  /** Bytes that the kernel of a step works in; `asRows` when its rows come one by one, with other steps in between. */
  readonly scratch: (step: DeviceStep, asRows: boolean) => number;
  /** Pixels that a pointwise step copies at a time where it works in place. */
  readonly pixels: number;
}

/** Goes through a program once: who reads and writes what, and how long it is needed. */
export function scheduleSite(
  program: DeviceProgram,
  options: Pick<ScheduleSite, "alignment" | "scratch" | "pixels">,
): ScheduleSite {
  const lives = new Map<string, ValueLife>();
  const touch = (owner: string, step: number): void => {
    const bytes = program.values.get(owner)?.bytes ?? 0;
    const life = lives.get(owner);
    if (bytes === 0) return;
    if (life === undefined) lives.set(owner, { bytes, first: step, last: step });
    else {
      life.first = Math.min(life.first, step);
      life.last = Math.max(life.last, step);
    }
  };
  const reads = program.steps.map((step) => activationsOf(program, step));
  const writes = program.steps.map((step) => writtenBy(program, step));
  for (const input of program.inputs) touch(ownerOf(program, input), -1);
  for (const [index, owners] of writes.entries()) {
    for (const owner of owners) touch(owner, index);
    for (const { owner } of reads[index] ?? []) touch(owner, index);
  }
  for (const output of program.outputs) if (!program.constants.has(output)) touch(ownerOf(program, output), program.steps.length);
  return { program, lives, reads, writes, ...options };
}

/** Whether nobody needs a value after a step. */
export function diesAt(site: ScheduleSite, owner: string, step: number): boolean {
  return site.lives.get(owner)?.last === step;
}

/** Whether a value first appears at a step: nothing of it was written before. */
export function isBornAt(site: ScheduleSite, owner: string, step: number): boolean {
  return site.lives.get(owner)?.first === step;
}

/** Whether all activations that a step touches are bytes. */
export function isBytewise(site: ScheduleSite, step: DeviceStep): boolean {
  return [...step.inputs, step.output].every((name) => {
    const dtype = site.program.values.get(name)?.dtype ?? "int8";
    return site.program.constants.has(name) || dtype === "int8" || dtype === "uint8";
  });
}
