import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { type Executor, interpExecutor } from "@tessera/core/passes/proof";

/**
 * Runs models for proofs on a real runtime with its own rewriting switched off, so that what is compared are the graphs and not two optimisers.
 * The first model asked for is the reference: when the runtime refuses that one, the reference interpreter runs everything; when it refuses a
 * later one, that is a failed proof.
 */
export function runtimeExecutor(runtime: Runtime): Executor {
  let useInterpreter: boolean | undefined;
  return async (model, feeds) => {
    if (useInterpreter === true) return interpExecutor(model, feeds);
    let session: Session;
    try {
      session = await runtime.load(modelToOnnx(model), { optimization: "none" });
    } catch (error) {
      if (useInterpreter === undefined) {
        useInterpreter = true;
        return interpExecutor(model, feeds);
      }
      return feeds.map(() => (error instanceof Error ? error : new Error(String(error))));
    }
    useInterpreter = false;
    try {
      const results: (Feeds | Error)[] = [];
      for (const feed of feeds) {
        try {
          results.push(await session.run(feed));
        } catch (error) {
          results.push(error instanceof Error ? error : new Error(String(error)));
        }
      }
      return results;
    } finally {
      await session.close();
    }
  };
}

/** The executor for proofs: onnxruntime-node in this process when it is installed (its start is what a short command waits for), else the interpreter. */
export async function proofExecutor(): Promise<{ readonly run: Executor; readonly runtime: string }> {
  try {
    const { ortNodeRuntime } = await import("@tessera/runtimes/ort-node");
    const runtime = await ortNodeRuntime({ worker: false });
    return { run: runtimeExecutor(runtime), runtime: `${runtime.id} ${runtime.version}` };
  } catch {
    return { run: interpExecutor, runtime: "interp" };
  }
}
