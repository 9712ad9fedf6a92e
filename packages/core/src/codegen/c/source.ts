import type { Rounding } from "../../interp/integer/multiplier.ts";
import { constantOf, type EmitContext, valueAt } from "./context.ts";
import { kernelsFile } from "./kernels-header.ts";
import type { EmittedC, EmittedPort } from "./options.ts";
import type { RunParts } from "./run-parts.ts";
import { COUNTS, type StreamCode } from "./streams.ts";

type Emitted = Omit<EmittedC, "files" | "bytes" | "kernels">;

/** What goes into the source file. */
export interface SourceParts {
  readonly emitted: Emitted;
  readonly parts: RunParts;
  /** The stream whose rows are pushed. */
  readonly pushed: StreamCode | undefined;
  /** Offset of the counts of the pushed stream in the arena. */
  readonly stateAt: number;
  readonly rounding: Rounding;
  /** Texts of the head. */
  readonly extras: readonly string[];
}

/** Writes the source file. */
export function sourceText(context: EmitContext, source: SourceParts): string {
  const { emitted, parts, rounding, extras } = source;
  const { name } = emitted;
  const rule = rounding === "double" ? 2 : 1;
  const streams = [...parts.streams.values()];
  return [
    `/* ${name}. Generated; do not edit. */`,
    `#include "${name}.h"`,
    "#include <stddef.h>",
    `#include "${name}_weights.h"`,
    `#if defined(TS_ROUNDING) && TS_ROUNDING != ${rule}`,
    "#error This model was made for the other rounding",
    "#endif",
    "#undef TS_ROUNDING",
    `#define TS_ROUNDING ${rule}`,
    `#include "${kernelsFile(name)}"`,
    "",
    "/* Called where the work of a layer begins or goes on. */",
    "#ifndef TS_PROFILE",
    "#define TS_PROFILE(layer) ((void)0)",
    "#endif",
    "",
    `typedef char ${name}_assert_alignment[(${emitted.alignment} & (${emitted.alignment} - 1)) == 0 ? 1 : -1];`,
    ...(streams.length === 0
      ? []
      : [
          "",
          "/* Rows of input that have come to a stage of a stream, rows of output that it has made. */",
          "typedef struct {",
          "  uint16_t in;",
          "  uint16_t out;",
          `} ${COUNTS};`,
          `typedef char ${name}_assert_counts[sizeof(${COUNTS}) == 4 ? 1 : -1];`,
        ]),
    "",
    ...[...context.instances.values()].map((instance) => `TS_FAR void ${instance.name}${instance.text}`),
    ...streams.map((stream) => `${stream.functions}`),
    `static int ${name}_is_misaligned(const void *arena)`,
    "{",
    `  return ((uintptr_t)arena % ${emitted.alignment}u) != 0;`,
    "}",
    "",
    ...emitted.inputs.flatMap((port) => (port.function === undefined ? [] : [portText(context, port, false)])),
    ...emitted.outputs.map((port) => portText(context, port, true)),
    ...(source.pushed === undefined ? [] : [pushText(source, source.pushed)]),
    runText(source),
    wipeText(emitted),
    ...extras,
  ].join("\n");
}

function portText(context: EmitContext, port: EmittedPort, isOutput: boolean): string {
  const at = valueAt(context, port.name);
  const type = `${isOutput ? "const " : ""}${port.dtype}_t`;
  const isConstant = constantOf(context, port.name) !== undefined;
  const pointer = port.dtype === "int8" ? at : `(${type} *)(${isOutput ? "const " : ""}void *)(${at})`;
  return `${type} *${port.function}(${isOutput ? "const " : ""}void *arena)
{
${isConstant ? "  (void)arena;" : `  ${isOutput ? "const " : ""}int8_t *const a = (${isOutput ? "const " : ""}int8_t *)arena;`}
  return ${pointer};
}
`;
}

function pushText({ emitted, stateAt }: SourceParts, pushed: StreamCode): string {
  const { name, push, layers } = emitted;
  const state = stateAt === 0 ? "a" : `a + ${stateAt}`;
  return `int ${push?.reset}(void *arena)
{
  int8_t *const a = (int8_t *)arena;
  ${COUNTS} s[${pushed.stages}];
  if (${name}_is_misaligned(arena))
    return 1;
  ${pushed.begin}(a, s);
  memcpy(${state}, s, sizeof s);
  return 0;
}

int ${push?.push}(void *arena, const int8_t *row)
{
  int8_t *const a = (int8_t *)arena;
  ${COUNTS} s[${pushed.stages}];
  if (${name}_is_misaligned(arena))
    return -1;
  memcpy(s, ${state}, sizeof s);
  if (s[0].in >= ${pushed.rows})
    ${pushed.begin}(a, s);
  ${pushed.take}(a, s, row);
  memcpy(${state}, s, sizeof s);
  TS_PROFILE(${layers.length});
  return ${pushed.rows} - s[0].in;
}
`;
}

function runText({ emitted, parts, pushed, stateAt }: SourceParts): string {
  const { name } = emitted;
  const lines = parts.statements.flatMap((statement) => statement.split("\n"));
  const check =
    pushed === undefined ? [] : [`memcpy(s, a + ${stateAt}, sizeof s);`, `if (s[0].in != ${pushed.rows})`, "  return 2;"];
  return `int ${emitted.run}(void *arena)
{
  int8_t *const a = (int8_t *)arena;
${pushed === undefined ? "" : `  ${COUNTS} s[${pushed.stages}];\n`}  if (${name}_is_misaligned(arena))
    return 1;
${[...check, ...lines, `TS_PROFILE(${emitted.layers.length});`].map((line) => `  ${line}`).join("\n")}
  ${lines.length === 0 && pushed === undefined ? "(void)a;\n  " : ""}return 0;
}
`;
}

function wipeText({ name, arenaBytes }: Emitted): string {
  return `void ${name}_wipe(void *arena)
{
  volatile int8_t *const bytes = (volatile int8_t *)arena;
  for (int i = 0; i < ${arenaBytes}; i++)
    bytes[i] = 0;
}
`;
}
