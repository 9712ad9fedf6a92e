import { type EmittedConstant, numberLines } from "./constants.ts";

/** The internal header with the declarations of all constants, and the file with their numbers. */
export function constantFiles(
  prefix: string,
  constants: readonly EmittedConstant[],
): { readonly header: string; readonly source: string } {
  const guard = `${prefix.toUpperCase()}_WEIGHTS_H`;
  const declarations = constants.map((c) => `extern const ${c.type} ${c.name}[${c.data.length}];`);
  const header = [
    `/* Constants of ${prefix}. Generated; do not edit. */`,
    `#ifndef ${guard}`,
    `#define ${guard}`,
    "",
    "#include <stdint.h>",
    "",
    ...declarations,
    "",
    "#endif",
    "",
  ].join("\n");
  const definitions = constants.map(
    (c) => `const ${c.type} ${c.name}[${c.data.length}] TS_CONSTANT = {\n${numberLines(c.data)}\n};\n`,
  );
  const source = [
    `/* Constants of ${prefix}: w weights, b biases, m multipliers, s shifts, t tables, c others. Generated; do not edit. */`,
    `#include "${prefix}_weights.h"`,
    "",
    '/* Where the constants lie, such as __attribute__((section(".qspi"))); nothing: with all other constants. */',
    "#ifndef TS_WEIGHTS_SECTION",
    "#define TS_WEIGHTS_SECTION",
    "#endif",
    "#if defined(__GNUC__) || defined(__clang__)",
    "#define TS_CONSTANT TS_WEIGHTS_SECTION __attribute__((aligned(4)))",
    "#else",
    "#define TS_CONSTANT TS_WEIGHTS_SECTION",
    "#endif",
    "",
    ...definitions,
  ].join("\n");
  return { header, source };
}
