import { kernelsHeader } from "@tessera/core/codegen/c/kernels-header";
import { BOARDS, type BoardId } from "@tessera/runtimes/mcu-lab/boards";
import { buildAndRun } from "@tessera/runtimes/mcu-lab/build-and-run";
import { findToolchain } from "@tessera/runtimes/mcu-lab/toolchains";
import { type CaseCode, type CasePart, encodeCase } from "./kernel-driver.ts";

/** One case for a board. */
export interface BoardCase {
  readonly name: string;
  readonly parts: readonly CasePart[];
  /** Bytes that it gives. */
  readonly gives: number;
  /** Which of its arrays, from 0, ends where the board's memory ends, so that a read or write behind it is a fault; none of them when there are fewer. */
  readonly edge: number;
}

/** End of memory behind which there is nothing: of the data memory beside the core. Absent: no arrays at an edge. */
const EDGES: Partial<Record<BoardId, string>> = { m55: "0x20080000" };

/** Reads a batch of cases, with a guard on both sides of each array; `status` tells the first case that wrote into a guard. */
function driver(edge: string | undefined): string {
  return `#include "tessera_kernels.h"
#include "driver.h"
enum { GUARD = 32, HEAP = 1 << 20 };
static int8_t heap[HEAP] __attribute__((aligned(16)));
static uint32_t used, arrays, at_edge;
static struct { int8_t *from; uint32_t bytes; } guards[1024];
static uint32_t guarded;
static const int8_t *input;
static int8_t *output;
static void guard(int8_t *p)
{
  for (int i = 0; i < GUARD; i++)
    p[i] = (int8_t)(0x5a ^ i);
  guards[guarded].from = p;
  guarded++;
}
static void *room(size_t bytes)
{
  int8_t *p = heap + ((used + GUARD + 15u) & ~15u);
  guard(p - GUARD);
  guard(p + bytes);
  used = (uint32_t)(p - heap) + (uint32_t)bytes + GUARD;
  return p;
}
static int32_t number(void) { int32_t v; memcpy(&v, input, 4); input += 4; return v; }
static void *taken(uint32_t off)
{
  const uint32_t n = (uint32_t)number();
  int8_t *p = ${edge === undefined ? "NULL" : `arrays++ == at_edge ? (int8_t *)${edge} - n : NULL`};
  if (p == NULL)
    p = (int8_t *)room(n + off) + off;
  memcpy(p, input, n);
  input += n;
  return p;
}
static void *array(void) { return taken(0); }
static int8_t *odd(void) { return taken(1); }
static void give(const void *p, size_t bytes) { memcpy(output, p, bytes); output += bytes; }
static int is_damaged(void)
{
  for (uint32_t g = 0; g < guarded; g++)
    for (int i = 0; i < GUARD; i++)
      if (guards[g].from[i] != (int8_t)(0x5a ^ i))
        return 1;
  return 0;
}
`;
}

/** Why a board cannot be used here, or undefined. */
export async function boardMissing(board: BoardId): Promise<string | undefined> {
  const found = await findToolchain(BOARDS[board]);
  return found.kind === "absent" ? found.reason : undefined;
}

/**
 * Compiles the kernels that the cases call in the form of a board's processor and runs all cases on it, emulated. Returns what each case gave.
 * `rounding` is TS_ROUNDING, `level` how the kernels are optimized.
 *
 * @throws Error when a case wrote beside its arrays or the compiler warned of something, RUNTIME_FAILED when it read behind the edge
 */
export async function runOnBoard(
  board: BoardId,
  codes: Readonly<Record<string, CaseCode>>,
  cases: readonly BoardCase[],
  rounding: "double" | "single",
  level: "-O0" | "-O1" | "-O2" | "-Os" = "-O2",
): Promise<readonly Uint8Array[]> {
  const names = Object.keys(codes);
  const used = new Set(Object.values(codes).flatMap((code) => code.kernels));
  const bodies = names.map(
    (name, i) =>
      `static void case_${i}(void)\n{${codes[name]?.code}\n}\nstatic void __attribute__((noinline)) run_${i}(void) { case_${i}(); }`,
  );
  const main = `void driver_run(const int8_t *from, int8_t *to)
{
  int32_t status = 0;
  int32_t count;
  input = from;
  output = to + 4;
  count = number();
  for (int32_t c = 0; c < count; c++) {
    used = arrays = guarded = 0;
    at_edge = (uint32_t)number();
    switch (number()) {
${names.map((_, i) => `    case ${i}: run_${i}(); break;`).join("\n")}
    default: break;
    }
    if (status == 0 && is_damaged())
      status = c + 1;
  }
  memcpy(to, &status, 4);
}
`;
  const files = new Map([
    ["tessera_kernels.h", kernelsHeader(used, { isa: BOARDS[board].isa, name: "tessera" }).text],
    ["driver.h", "#include <stdint.h>\nvoid driver_run(const int8_t *from, int8_t *to);\n"],
    ["driver.c", `${driver(EDGES[board])}\n${bodies.join("\n")}\n${main}`],
  ]);
  const batch = Buffer.concat([
    Buffer.from(Int32Array.of(cases.length).buffer),
    ...cases.map(({ name, parts, edge }) => encodeCase([edge, names.indexOf(name), ...parts])),
  ]);
  const outputs = 4 + cases.reduce((sum, each) => sum + each.gives, 0);
  const start = (batch.length + 15) & ~15;
  const result = await buildAndRun(
    {
      files,
      calls: {
        header: "driver.h",
        arenaBytes: start + outputs,
        arenaAlignment: 16,
        inputs: [{ pointer: "arena", bytes: batch.length }],
        outputs: [{ pointer: `(arena + ${start})`, bytes: outputs }],
        run: `driver_run(arena, arena + ${start});`,
      },
      board,
      vectors: [batch],
    },
    { flags: [level, `-DTS_ROUNDING=${rounding === "double" ? 2 : 1}`], count: false, stack: 1 << 16 },
  );
  if (result.kind !== "run") throw new Error(`The cases did not run: ${JSON.stringify(result)}`);
  if (result.warnings !== "") throw new Error(`The compiler warned: ${result.warnings}`);
  const bytes = result.outputs[0] as Uint8Array;
  const damaged = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
  if (damaged > 0) throw new Error(`Case ${damaged - 1} wrote beside its arrays: ${JSON.stringify(cases[damaged - 1])}`);
  let at = 4;
  return cases.map(({ gives }) => {
    at += gives;
    return bytes.subarray(at - gives, at);
  });
}
