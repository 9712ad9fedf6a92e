import { fail } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import { outputsDifference } from "@tessera/core/passes/proof";
import { openRunnable, type Runnable } from "../io/runnable.ts";
import { type InputOptions, inputsFor } from "./feeds.ts";

/** That two files compute the same on a runtime. */
export interface Parity {
  readonly runtime: string;
  readonly inputs: number;
  /** Largest difference, as a share of the output's largest magnitude. */
  readonly worstRelative: number;
  readonly output: string;
}

/**
 * Runs two files on the same inputs and compares every output. The first runs as it stands, without the runtime's own rewriting.
 *
 * @throws PROOF_FAILED beyond the tolerance; RUNTIME_FAILED when a file does not run
 */
export async function provePair(
  reference: Pick<Runnable, "bytes" | "externalData">,
  changed: Pick<Runnable, "bytes" | "externalData">,
  options: { readonly runtime: Runtime; readonly inputs: InputOptions; readonly tolerance: number; readonly signal: AbortSignal },
): Promise<Parity> {
  const { runtime, tolerance, signal } = options;
  const first = await openRunnable(runtime, reference, { optimization: "none" });
  try {
    const second = await openRunnable(runtime, changed, { optimization: "none" });
    try {
      const inputs = await inputsFor(first, options.inputs);
      let worst = { relative: 0, output: "" };
      let count = 0;
      for (const feeds of inputs.feeds()) {
        signal.throwIfAborted();
        const found = outputsDifference(await first.run(feeds), await second.run(feeds));
        count++;
        if (found !== undefined && found.relative > tolerance)
          throw fail(
            "PROOF_FAILED",
            `Cannot vouch for the result: output ${found.output} differs by ${found.why ?? found.relative.toExponential(1)}, ${tolerance} is allowed`,
            { at: { tensor: found.output }, hint: "Report it with the model; nothing was written" },
          );
        if (found !== undefined && found.relative >= worst.relative) worst = found;
      }
      return { runtime: `${runtime.id} ${runtime.version}`, inputs: count, worstRelative: worst.relative, output: worst.output };
    } finally {
      await second.close();
    }
  } finally {
    await first.close();
  }
}
