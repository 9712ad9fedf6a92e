import type { DeviceDType, DeviceProgram } from "../device/program.ts";
import type { DeviceData } from "../device/relayout.ts";
import { runDevice } from "../device/run.ts";
import { type EmittedConstant, numberLines } from "./constants.ts";
import { constantsCheckText } from "./constants-check.ts";
import type { EmittedC } from "./options.ts";

const ARRAYS = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, int32: Int32Array } as const satisfies Record<
  DeviceDType,
  unknown
>;

/** Bytes of the generator of self-tests: the high byte of x * 1664525 + 1013904223 (Knuth, Numerical Recipes), 32 bits. */
export function testBytes(count: number, seed: number): { readonly bytes: Uint8Array; readonly seed: number } {
  const bytes = new Uint8Array(count);
  let x = seed >>> 0;
  for (let i = 0; i < count; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return { bytes, seed: x };
}

/** Inputs of the self-test, one after the other from one generator. */
export function testFeeds(program: DeviceProgram, seed: number): ReadonlyMap<string, DeviceData> {
  const feeds = new Map<string, DeviceData>();
  let next = seed;
  for (const name of program.inputs) {
    const value = program.values.get(name);
    if (value === undefined) continue;
    const made = testBytes(value.bytes, next);
    next = made.seed;
    feeds.set(name, new ARRAYS[value.dtype](made.bytes.buffer as ArrayBuffer));
  }
  return feeds;
}

type Emitted = Omit<EmittedC, "files" | "bytes" | "kernels">;

/** What {@link selfTestText} is made of. */
export interface SelfTestParts {
  readonly program: DeviceProgram;
  readonly seed: number;
  /** Every constant of the source. */
  readonly constants: readonly EmittedConstant[];
}

/** C of the self-test: the check of the constants, expected outputs, a generator, the comparison. */
export function selfTestText(emitted: Emitted, { program, seed, constants }: SelfTestParts): string {
  const { name, push, selfTest } = emitted;
  const check = constantsCheckText(name, constants);
  const results = runDevice(program, testFeeds(program, seed));
  const outputs = emitted.outputs.map((port, i) => {
    const data = results.get(port.name) as DeviceData;
    const bytes = new Int8Array(data.buffer, data.byteOffset, data.byteLength);
    return { port, bytes, expected: `${name}_expected${i}` };
  });
  const arrays = outputs.map(
    ({ bytes, expected }) => `static const int8_t ${expected}[${bytes.length}] = {\n${numberLines(bytes)}\n};\n`,
  );
  const fill = emitted.inputs.flatMap((port) =>
    port.function === undefined ? [] : [`  ${name}_test_bytes((int8_t *)(void *)${port.function}(arena), ${port.bytes}, &seed);`],
  );
  const run =
    push === undefined
      ? [`  if (${emitted.run}(arena) != 0)`, "    return 1;"]
      : [
          `  if (${push.reset}(arena) != 0)`,
          "    return 1;",
          `  for (int r = 0; r < ${push.rows}; r++) {`,
          `    ${name}_test_bytes(row, ${push.rowBytes}, &seed);`,
          `    if (${push.push}(arena, row) != ${push.rows - 1} - r)`,
          "      return 1;",
          "  }",
          `  if (${emitted.run}(arena) != 0)`,
          "    return 1;",
        ];
  const compare = outputs.flatMap(({ port, bytes, expected }, i) => [
    `  out = (const int8_t *)(const void *)${port.function}(arena);`,
    `  for (int i = 0; i < ${bytes.length}; i++)`,
    `    wrong |= out[i] != ${expected}[i] ? ${2 + i} : 0;`,
  ]);
  // Before anything runs: what stands where a shift or an index was may be anything.
  const damage = check === "" ? "" : `  if (${name}_is_damaged())\n    return -1;\n`;
  return `${check}${arrays.join("\n")}
static void ${name}_test_bytes(int8_t *to, int count, uint32_t *seed)
{
  for (int i = 0; i < count; i++) {
    *seed = *seed * 1664525u + 1013904223u;
    to[i] = (int8_t)(uint8_t)(*seed >> 24);
  }
}

int ${selfTest}(void *arena)
{
  uint32_t seed = ${seed >>> 0}u;
  const int8_t *out;
  int wrong = 0;
${push === undefined ? "" : `  int8_t row[${push.rowBytes}];\n`}  if (((uintptr_t)arena % ${emitted.alignment}u) != 0)
    return 1;
${damage}${[...fill, ...run, ...compare].join("\n")}
  return wrong;
}
`;
}
