import type { EmittedC } from "@tessera/core/codegen/c/options";
import type { ModelCalls } from "./test-program.ts";

/** How a test program calls what emitC wrote. */
export function emittedCalls(emitted: EmittedC): ModelCalls {
  const { push } = emitted;
  const inputs = emitted.inputs.flatMap((port) =>
    port.function === undefined ? [] : [{ pointer: `${port.function}(arena)`, bytes: port.bytes }],
  );
  return {
    header: emitted.header,
    arenaBytes: emitted.arenaBytes,
    arenaAlignment: emitted.alignment,
    inputs,
    outputs: emitted.outputs.map((port) => ({ pointer: `${port.function ?? "0"}(arena)`, bytes: port.bytes })),
    run: `if (${emitted.run}(arena) != 0) return 20;`,
    ...(emitted.selfTest !== undefined && { selfTest: `${emitted.selfTest}(arena)` }),
    ...(push && {
      rows: {
        count: push.rows,
        bytes: push.rowBytes,
        push: `if (at == 0) ${push.reset}(arena);\n    if (${push.push}(arena, row) < 0) return 21;`,
      },
    }),
  };
}
