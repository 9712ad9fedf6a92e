import { fail } from "../../base/error.ts";
import type { Rounding } from "../../interp/integer/multiplier.ts";
import type { DeviceProgram, DeviceStep, DeviceValue } from "../device/program.ts";
import type { Schedule } from "../device/schedule.ts";
import { alignUp } from "../memory-plan.ts";
import { bytesByKind, constantPool } from "./constants.ts";
import { constantFiles } from "./constants-file.ts";
import type { EmitContext } from "./context.ts";
import { cosineText } from "./cosine.ts";
import { headerText } from "./header.ts";
import { kernelsFile, kernelsHeader } from "./kernels-header.ts";
import { cPrefix } from "./names.ts";
import { EMIT_DEFAULTS, type EmitOptions, type EmittedC, type EmittedPort, type EmittedPush } from "./options.ts";
import { runParts } from "./run-parts.ts";
import { checkScratch } from "./scratch-check.ts";
import { selfTestText } from "./self-test.ts";
import { sourceText } from "./source.ts";

/**
 * Writes a program with its schedule as standalone C99: a header, a source, constants, and the kernels used. All sizes are literal, memory is one arena
 * that the caller gives, nothing is called but memcpy and memset. The outputs are those of {@link runDevice}, bit for bit. Same input, same bytes.
 *
 * @throws UNSUPPORTED_OP for a step that no kernel computes; PLAN_INVALID where the schedule lacks memory that the code needs
 *
 * @example
 * const { files } = emitC(program, scheduleDevice(program, { isa: "dsp" }), { name: "kws", isa: "dsp" });
 */
export function emitC(program: DeviceProgram, schedule: Schedule, options: EmitOptions): EmittedC {
  const { isa, modelSha256, generator, selfTest, head, name: wanted } = { ...EMIT_DEFAULTS, ...options };
  const name = cPrefix(wanted);
  const macro = name.toUpperCase();
  checkScratch(schedule, isa);
  const context: EmitContext = {
    prefix: name,
    program,
    schedule,
    pairs: isa === "dsp",
    pool: constantPool(name),
    kernels: new Set(),
    instances: new Map(),
  };
  const parts = runParts(context);
  const first = schedule.items[0];
  const pushed = first?.kind === "stream" && first.pushed ? parts.streams.get(first) : undefined;
  const push: EmittedPush | undefined =
    pushed === undefined
      ? undefined
      : { reset: `${name}_reset`, push: `${name}_push_row`, rows: pushed.rows, rowBytes: pushed.rowBytes };
  const stateAt = alignUp(schedule.memory.arenaBytes, 4);
  const arenaBytes = pushed === undefined ? Math.max(1, schedule.memory.arenaBytes) : stateAt + 4 * pushed.stages;
  const ports = (names: readonly string[], word: "input" | "output"): EmittedPort[] =>
    names.map((port, i) => {
      const value = inProgram(program, port);
      const suffix = names.length === 1 ? "" : String(i);
      const isPushed = word === "input" && push !== undefined && i === 0;
      const { dtype, shape, bytes } = value;
      const entry = isPushed ? undefined : `${name}_${word}${suffix}`;
      return { name: port, function: entry, macro: `${macro}_${word.toUpperCase()}${suffix}`, dtype, shape, bytes };
    });
  const inputs = ports(program.inputs, "input");
  const outputs = ports(program.outputs, "output");
  const emitted = {
    name,
    macro,
    header: `${name}.h`,
    run: `${name}_run`,
    inputs,
    outputs,
    push,
    selfTest: selfTest === "none" ? undefined : `${name}_self_test`,
    arenaBytes,
    alignment: Math.max(4, schedule.alignment),
    layers: parts.layers,
  };
  const cosine = head === "cosine" ? `${name}_cosine` : undefined;
  const extras = cosine === undefined ? [] : [cosineText(cosine, vectorOf(program))];
  const rounding = roundingOf(program);
  const code = sourceText(context, { emitted, parts, pushed, stateAt, rounding, extras });
  // Last, because it checks every constant of what comes before.
  const source =
    selfTest === "none" ? code : `${code}\n${selfTestText(emitted, { program, seed: selfTest, constants: context.pool.all })}`;
  const kernels = kernelsHeader(context.kernels, { isa, name });
  const constants = constantFiles(name, context.pool.all);
  const all = { ...emitted, kernels: kernels.names, bytes: bytesByKind(context.pool.all) };
  const facts = {
    modelSha256,
    generator,
    profile: program.profile,
    cosine,
    wipe: `${name}_wipe`,
    value: (port: string) => inProgram(program, port),
  };
  return {
    ...all,
    files: new Map([
      [`${name}.h`, headerText(all, facts)],
      [`${name}.c`, source],
      [`${name}_weights.h`, constants.header],
      [`${name}_weights.c`, constants.source],
      [kernelsFile(name), kernels.text],
    ]),
  };
}

function inProgram(program: DeviceProgram, name: string): DeviceValue {
  const value = program.values.get(name);
  if (value === undefined) throw fail("GRAPH_INVALID", `Cannot write C: there is no value ${name}`);
  return value;
}

/** Size and zero point of the output that a verifier compares. */
function vectorOf(program: DeviceProgram): { readonly count: number; readonly zero: number } {
  const value = inProgram(program, program.outputs[0] ?? "");
  if (value.dtype !== "int8")
    throw fail("UNSUPPORTED_OP", `Cannot compare outputs of ${value.dtype} by their cosine: int8 is needed`);
  return { count: value.bytes, zero: value.zeroPoint };
}

/** The one rounding of all steps. */
function roundingOf(program: DeviceProgram): Rounding {
  const rules = new Set(program.steps.flatMap(rulesOf));
  if (rules.size > 1) throw fail("UNSUPPORTED_OP", "Cannot write C with two kinds of rounding: the kernels know one for a model");
  return [...rules][0] ?? "double";
}

function rulesOf(step: DeviceStep): readonly Rounding[] {
  if ("rescale" in step) return [step.rescale.rule];
  if ("rounding" in step) return [step.rounding];
  return step.kind === "lstm" ? [step.lstm.rounding] : [];
}
