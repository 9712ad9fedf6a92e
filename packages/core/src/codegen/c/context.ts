import { fail } from "../../base/error.ts";
import type { DeviceConstant, DeviceProgram, DeviceValue } from "../device/program.ts";
import type { Schedule } from "../device/schedule.ts";
import type { ConstantPool } from "./constants.ts";
import type { KernelName } from "./kernel-abi.ts";

/** What all parts of the emitter share while one program is written. */
export interface EmitContext {
  readonly prefix: string;
  readonly program: DeviceProgram;
  readonly schedule: Schedule;
  /** Whether rows of weights may lie in pairs, see pairRows: the code is for processors with DSP instructions alone. */
  readonly pairs: boolean;
  readonly pool: ConstantPool;
  /** Kernels that were called. */
  readonly kernels: Set<string>;
  /** Bodies of functions by text: layers of equal shapes and flags share one. */
  readonly instances: Map<string, Instance>;
}

/** A function that computes a whole layer, or one row of a stage. */
export interface Instance {
  readonly name: string;
  readonly text: string;
  /** Nodes that use it. */
  readonly users: string[];
}

/** A piece of code with what it reads and writes as parameters: [declaration, argument] pairs. */
export interface StepCode {
  /** Word for names, such as "conv". */
  readonly word: string;
  readonly parameters: readonly (readonly [declaration: string, argument: string])[];
  readonly body: readonly string[];
}

/** Base of the arena in every emitted function. */
export const ARENA = "a";

/** Where a memory block begins, as a C expression. */
export function blockAt(context: EmitContext, block: string, extra = 0): string {
  const offset = context.schedule.memory.offsets.get(block);
  if (offset === undefined) throw fail("PLAN_INVALID", `Cannot write C: the schedule has no memory for ${block}`);
  return offset + extra === 0 ? ARENA : `${ARENA} + ${offset + extra}`;
}

/** The block in which a value lies: its own, or that of the value it is a view of. */
export function blockOf({ program, schedule }: EmitContext, name: string): string {
  // A value written in place has an offset of its own; a view has not.
  for (let at = name, hops = 0; hops < 3; hops++) {
    if (schedule.memory.offsets.has(at)) return at;
    const next = schedule.owners.get(at) ?? program.views.get(at);
    if (next === undefined) return at;
    at = next;
  }
  return schedule.owners.get(name) ?? name;
}

/** Offset of a value in the arena. */
export function offsetOf(context: EmitContext, name: string): number | undefined {
  return context.schedule.memory.offsets.get(blockOf(context, name));
}

/** Where a value or constant lies, as a C expression of type int8_t pointer; `extra` elements of 8 bits further. */
export function valueAt(context: EmitContext, name: string, extra = 0): string {
  const constant = constantOf(context, name);
  if (constant === undefined) return blockAt(context, blockOf(context, name), extra);
  const array = context.pool.add("constants", constant.data);
  const bytes = constant.data instanceof Int8Array ? array : `(const int8_t *)(const void *)${array}`;
  return extra === 0 ? bytes : `${bytes} + ${extra}`;
}

/** The constant of a name, also through a view. */
export function constantOf({ program }: EmitContext, name: string): DeviceConstant | undefined {
  return program.constants.get(name) ?? program.constants.get(program.views.get(name) ?? "");
}

/** A value or constant by name. */
export function typeOf(context: EmitContext, name: string): DeviceValue | DeviceConstant {
  const value = context.program.values.get(name) ?? constantOf(context, name);
  if (value === undefined) throw fail("GRAPH_INVALID", `Cannot write C: there is no value ${name}`);
  return value;
}

/** Pointer to scratch memory, NULL where there is none. */
export function scratchAt(context: EmitContext, block: string | undefined): string {
  return block === undefined ? "NULL" : blockAt(context, block);
}

/** Notes that a kernel is called, and gives the call. */
export function call(context: EmitContext, kernel: KernelName, args: readonly (string | number)[]): string {
  context.kernels.add(kernel);
  return `${kernel}(${args.join(", ")});`;
}

/** A function of this code that may exist already, because an equal one was wanted before; returns the call. */
export function callOf(context: EmitContext, code: StepCode, node: string): string {
  // What this body has no use for would only be a warning.
  const used = code.parameters.filter(([declaration]) => isUsed(declaration, code.body));
  const declarations = used.map(([declaration]) => declaration).join(", ");
  const body = code.body.map((line) => `  ${line}`).join("\n");
  const text = `(${declarations === "" ? "void" : declarations})\n{\n${body}\n}\n`;
  let instance = context.instances.get(text);
  if (instance === undefined) {
    instance = { name: `${context.prefix}_f${context.instances.size}_${code.word}`, text, users: [] };
    context.instances.set(text, instance);
  }
  instance.users.push(node);
  return `${instance.name}(${used.map(([, argument]) => argument).join(", ")});`;
}

function isUsed(declaration: string, body: readonly string[]): boolean {
  const name = /\w+$/.exec(declaration)?.[0] ?? "";
  return body.some((line) => new RegExp(`\\b${name}\\b`).test(line));
}
