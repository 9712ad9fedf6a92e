import { ARENA_SECTION } from "./linker-script.ts";

/** Bytes that go into a model or come out of it. */
export interface ModelPort {
  /** C expression of a pointer to them; the arena is called `arena`. */
  readonly pointer: string;
  readonly bytes: number;
}

/** How a program calls a generated model. */
export interface ModelCalls {
  /** Header to include, such as "kws.h". */
  readonly header: string;
  readonly arenaBytes: number;
  /** At most 64. */
  readonly arenaAlignment: number;
  /** In the order of the bytes of a vector. */
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
  /** C statements before the first inference. */
  readonly start?: string;
  /** C statements of one inference, with the inputs in place. */
  readonly run: string;
  /** C expression that is 0 when the model's built-in check passes. */
  readonly selfTest?: string;
  /** A model that takes its input by rows: `push` is the C statement for one, which lies at `row`; `run` follows the last. `inputs` are then empty. */
  readonly rows?: { readonly count: number; readonly bytes: number; readonly push: string };
}

/** Options of {@link testProgram}. */
export interface TestProgramOptions {
  /** Layers whose instructions are counted apart by the hook TS_PROFILE; 0: none. */
  readonly layers?: number;
  /** Run the model's built-in check first. */
  readonly selfTest?: boolean;
}

/** Instructions of a loop that every program runs once, to see how the counter ticks. */
export const LOOP_INSTRUCTIONS = 20_000;

/** Files that the program reads and writes in its working directory. */
export const VECTORS_FILE = "vectors.bin";
export const OUTPUTS_FILE = "outputs.bin";
export const REPORT_FILE = "report.bin";

/** The arena, and what a program on every board begins with. `section`: the arena in a section of its own, for the linker script. */
export function programHead(calls: ModelCalls, options: { readonly section: boolean } = { section: true }): string {
  const section = options.section ? `, section("${ARENA_SECTION}")` : "";
  return `#include <stdint.h>
#include <string.h>
#include "${calls.header}"
static __attribute__((aligned(${calls.arenaAlignment})${section})) int8_t arena[${Math.max(calls.arenaBytes, 1)}];
`;
}

const MEASURE = `
/* Ticks of the counter between two looks at it with nothing in between, and with one call of the hook in between. */
static uint32_t idle(void) {
  uint32_t from = lab_count();
  return lab_count() - from;
}
`;

function profiler(layers: number): string {
  if (layers === 0) return "void lab_profile(int layer) { (void)layer; }\n";
  // The hook takes its own share off: what one empty call costs between two of its looks at the counter.
  return `enum { LAYERS = ${layers} };
static struct { uint32_t low, high, calls; } spent[LAYERS];
static uint32_t since, hook_ticks;
static int current = -1;
void lab_profile(int layer) {
  uint32_t now = lab_count();
  uint32_t ticks = now - since;
  if (current >= 0 && current < LAYERS) {
    uint32_t low = spent[current].low;
    spent[current].low = low + ticks;
    if (spent[current].low < low) spent[current].high++;
    spent[current].calls++;
  }
  current = layer;
  since = lab_count();
}
`;
}

/**
 * C source of a program for boards: reads vectors from a file, runs the model on each with the instructions counted, writes the outputs of each, and at
 * the end a report of little-endian words: vectors, ticks of an idle measurement, of {@link LOOP_INSTRUCTIONS} instructions, of an empty hook, then the ticks of each
 * inference (rows apart), for each layer the low and high word of its ticks and the number of its calls, the deepest stack in bytes.
 */
export function testProgram(calls: ModelCalls, vectors: number, options: TestProgramOptions = {}): string {
  const layers = options.layers ?? 0;
  const read = calls.inputs.map(({ pointer, bytes }) => `    if (!lab_read(input, (void *)(${pointer}), ${bytes})) return 11;`);
  const write = calls.outputs.map(
    ({ pointer, bytes }) => `    if (!lab_write(output, (const void *)(${pointer}), ${bytes})) return 12;`,
  );
  const timed = (statements: string) => `    from = lab_count();
    ${statements}
    ticks = lab_count() - from;
    if (!lab_write(report, &ticks, 4)) return 12;`;
  const rows = calls.rows;
  return `${programHead(calls)}#include "lab.h"
${profiler(layers)}${MEASURE}
${rows ? `static __attribute__((aligned(16))) int8_t row[${rows.bytes}];\n` : ""}
int main(void) {
  int input = lab_open("${VECTORS_FILE}", 0), output = lab_open("${OUTPUTS_FILE}", 1), report = lab_open("${REPORT_FILE}", 1);
  uint32_t from, ticks, vector, none, stack, head[4];
  if (input < 0 || output < 0 || report < 0) return 10;
  idle();
  none = idle();
${layers > 0 ? "  since = lab_count();\n  lab_profile(0);\n  lab_profile(-1);\n  hook_ticks = spent[0].low;\n  spent[0].low = spent[0].high = spent[0].calls = 0;\n" : ""}  stack = 0;
  head[0] = ${vectors};
  head[1] = none;
  head[2] = lab_count();
  lab_loop(${LOOP_INSTRUCTIONS / 2});
  head[2] = lab_count() - head[2] - none;
  head[3] = ${layers > 0 ? "hook_ticks" : "0"};
  if (!lab_write(report, head, 16)) return 12;
${options.selfTest && calls.selfTest ? `  if (${calls.selfTest} != 0) return 22;\n` : ""}${calls.start ? `  ${calls.start}\n` : ""}  for (vector = 0; vector < ${vectors}u; vector++) {
    if (vector == 0) lab_paint();
${rows ? `    for (int32_t at = 0; at < ${rows.count}; at++) {\n    if (!lab_read(input, row, ${rows.bytes})) return 11;\n${timed(rows.push)}\n    }` : read.join("\n")}
${timed(calls.run)}
${layers > 0 ? "    lab_profile(-1);\n" : ""}    if (vector == 0) stack = lab_deepest();
${write.join("\n")}
  }
${layers > 0 ? "  if (!lab_write(report, spent, sizeof spent)) return 12;\n" : ""}  if (!lab_write(report, &stack, 4)) return 12;
  return 0;
}
`;
}
