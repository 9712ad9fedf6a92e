import type { DeviceValue } from "../device/program.ts";
import { cComment, cFloat } from "./names.ts";
import type { EmittedC, EmittedPort } from "./options.ts";

/** What the header tells besides what EmittedC holds. */
export interface HeaderFacts {
  readonly modelSha256: string;
  readonly generator: string;
  readonly profile: string;
  readonly cosine: string | undefined;
  readonly wipe: string;
  readonly value: (name: string) => DeviceValue;
}

type Emitted = Omit<EmittedC, "files">;

/** What the code deviates from, and why: for who has to show it. */
const MISRA = `/*
 * MISRA C:2012. No heap, no recursion, no variable-length arrays, no written globals, every loop bounded by constants. Deviations on purpose:
 *   Directive 4.6   int is used for sizes, counts and sums of a few bits: it has 32 bits on every target, which is checked at compile time.
 *   Directive 4.9   TS_PROFILE is a function-like macro so that it can be nothing.
 *   Rule 1.2        alignment, sections, always_inline and intrinsics are extensions, behind macros that can be defined as nothing.
 *   Rule 10.1, 12.1 numbers are shifted to the right with their sign, which is checked at compile time; products before sums carry no parentheses.
 *   Rule 10.3       intrinsics take and give words whose signedness is not that of the variables.
 *   Rule 11.3, 11.5 the arena is memory of no type, divided at generation time; every offset is a multiple of the alignment.
 *   Rule 15.5, 15.6 early returns, and bodies of a single line without braces.
 *   Rule 18.4       pointers move by addition: that is what kernels do.
 */`;

/** Writes the public header. */
export function headerText(emitted: Emitted, facts: HeaderFacts): string {
  const { name, macro, inputs, outputs, push } = emitted;
  const guard = `${macro}_H`;
  const macs = emitted.layers.reduce((sum, layer) => sum + layer.macs, 0);
  const ports = [...inputs, ...outputs].map((port) => portMacros(port, facts.value(port.name)));
  return `/* ${name}: a quantized network as C99. Generated; do not edit. Outputs equal the profile ${cComment(facts.profile)} bit for bit. */
#ifndef ${guard}
#define ${guard}

#include <stdint.h>

${MISRA}

#ifdef __cplusplus
extern "C" {
#endif

#define ${macro}_GENERATOR "${cComment(facts.generator)}"
/* SHA-256 of the model that this was made from; empty when nobody gave it. */
#define ${macro}_MODEL_SHA256 "${cComment(facts.modelSha256)}"
/* Memory that the caller gives: read and written by every function below, nothing in it has to be set before, and it may be used otherwise after. */
#define ${macro}_ARENA_BYTES ${emitted.arenaBytes}
#define ${macro}_ARENA_ALIGNMENT ${emitted.alignment}
/* Numbers that TS_PROFILE is called with: 0 to LAYERS - 1 where the work of that layer begins or goes on, LAYERS where none goes on. */
#define ${macro}_LAYERS ${emitted.layers.length}
#define ${macro}_MACS ${macs}

/* real = (integer - ZERO_POINT) * SCALE. Shapes are in the order of memory; pictures are height, width, channels. */
${ports.join("\n")}
${prototypes(emitted, facts).join("\n\n")}
${push === undefined ? "" : `\n#define ${macro}_ROWS ${push.rows}\n#define ${macro}_ROW_BYTES ${push.rowBytes}\n`}
#ifdef __cplusplus
}
#endif

#endif
`;
}

function portMacros(port: EmittedPort, value: DeviceValue): string {
  const { macro } = port;
  const shape = port.shape.length === 0 ? [1] : port.shape;
  return [
    `/* ${cComment(port.name)} */`,
    `#define ${macro}_TYPE ${port.dtype}_t`,
    `#define ${macro}_BYTES ${port.bytes}`,
    `#define ${macro}_COUNT ${shape.reduce((n, size) => n * size, 1)}`,
    `#define ${macro}_RANK ${shape.length}`,
    `#define ${macro}_SHAPE {${shape.join(", ")}}`,
    `#define ${macro}_SCALE ${cFloat(value.scale)}`,
    `#define ${macro}_ZERO_POINT (${value.zeroPoint})`,
    "",
  ].join("\n");
}

function prototypes(emitted: Emitted, facts: HeaderFacts): string[] {
  const { push } = emitted;
  const texts: string[] = [];
  for (const port of emitted.inputs)
    if (port.function !== undefined)
      texts.push(`/* Where the input goes before each run; its memory is used again during the run. */
${port.dtype}_t *${port.function}(void *arena);`);
  if (push !== undefined)
    texts.push(
      `/* Forgets all rows. To be called once before the first row; after a complete picture the next row begins a new one by itself. */
int ${push.reset}(void *arena);`,
      `/* Takes the next row of the input, ROW_BYTES long, and computes what can be computed. Returns how many rows are still wanted; -1 for a misaligned arena. */
int ${push.push}(void *arena, const int8_t *row);`,
    );
  texts.push(
    push === undefined
      ? `/* Computes the outputs from the inputs. Returns 0; 1 for a misaligned arena. */
int ${emitted.run}(void *arena);`
      : `/* Computes what follows the last row. Returns 0; 1 for a misaligned arena, 2 while rows are wanted. */
int ${emitted.run}(void *arena);`,
  );
  for (const port of emitted.outputs)
    texts.push(`/* Where the output lies after a run, until the next one. */
const ${port.dtype}_t *${port.function}(const void *arena);`);
  texts.push(`/* Overwrites the arena with zeros, also where a compiler sees no use for it: inputs and outputs of a biometric network are secrets. */
void ${facts.wipe}(void *arena);`);
  if (emitted.selfTest !== undefined)
    texts.push(`/* Holds all constants against their CRC-32, which finds damaged flash, then runs a built-in input and compares all outputs with those that
   were computed at generation time, which finds wrong compilers. Returns 0 when all is well; -1 for damaged constants, 1 for a misaligned
   arena, another number for wrong outputs. */
int ${emitted.selfTest}(void *arena);`);
  if (facts.cosine !== undefined)
    texts.push(`/* Cosine of the angle between two outputs in 1/32768 (from -32768 to 32768), by integers alone; 0 where one of them has no length. */
int32_t ${facts.cosine}(const int8_t *a, const int8_t *b);`);
  return texts;
}
