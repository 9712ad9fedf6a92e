import { type ModelCalls, programHead } from "../mcu-lab/test-program.ts";

/**
 * C source of a program for this machine that answers requests on its standard input until that ends: the number of runs (uint32), the bytes of all
 * inputs. The answer: the nanoseconds of each run (float64), the bytes of all outputs. The arena holds rubbish before each request, because a model
 * must not rely on what lies there. The model's built-in check comes first; it ends the program with code 22 when it fails.
 */
export function hostProgram(calls: ModelCalls): string {
  const { rows } = calls;
  const bytes = rows ? rows.count * rows.bytes : calls.inputs.reduce((sum, port) => sum + port.bytes, 0);
  let at = 0;
  const place = calls.inputs.map((port) => {
    const line = `      memcpy((void *)(${port.pointer}), request + ${at}, ${port.bytes});`;
    at += port.bytes;
    return line;
  });
  const run = rows
    ? `for (int32_t at = 0; at < ${rows.count}; at++) {
        const int8_t *row = request + (size_t)at * ${rows.bytes};
        ${rows.push}
      }
      ${calls.run}`
    : calls.run;
  const answer = calls.outputs.map(
    (port) => `    if (fwrite((const void *)(${port.pointer}), 1, ${port.bytes}, stdout) != ${port.bytes}) return 12;`,
  );
  return `${programHead(calls, { section: false })}#include <stdio.h>
#include <time.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif
static int8_t request[${Math.max(bytes, 1)}];
int main(void) {
  uint32_t runs;
#ifdef _WIN32
  _setmode(_fileno(stdin), _O_BINARY);
  _setmode(_fileno(stdout), _O_BINARY);
#endif
${calls.selfTest ? `  if (${calls.selfTest} != 0) return 22;\n` : ""}${calls.start ? `  ${calls.start}\n` : ""}  while (fread(&runs, 4, 1, stdin) == 1) {
    if (fread(request, 1, ${bytes}, stdin) != ${bytes}) return 11;
${calls.start ? "" : "    memset(arena, 0xa5, sizeof arena);\n"}    for (uint32_t k = 0; k < runs; k++) {
      struct timespec from, to;
      double ns;
${place.join("\n")}
      clock_gettime(CLOCK_MONOTONIC, &from);
      ${run}
      clock_gettime(CLOCK_MONOTONIC, &to);
      ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
      if (fwrite(&ns, 8, 1, stdout) != 1) return 12;
    }
${answer.join("\n")}
    fflush(stdout);
  }
  return 0;
}
`;
}
