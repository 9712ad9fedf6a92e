import type { RuntimeProfile } from "@tessera/core/graph/runtime";
import type { Tensor } from "@tessera/core/graph/tensor";
import type { Engine } from "./engine.ts";
import { startTfjs, type TfjsRunner, type TfjsWasm } from "./tfjs-tflite-module.ts";
import { parseSummary } from "./tfjs-tflite-profile.ts";
import { eachTensor, inferTfjs, loadTfjs } from "./tfjs-tflite-run.ts";
import { operatorTimes } from "./tfjs-tflite-times.ts";
import { openTfliteEngine, type TfliteHold } from "./tflite-engine.ts";
import type { TfliteIo } from "./tflite-io.ts";

/** Events that the profiler keeps: two inferences of any graph that is no monster. */
const EVENTS = 1 << 16;

function writeInputs(runner: TfjsRunner, { inputs }: TfliteIo, feeds: ReadonlyMap<string, Tensor>): void {
  eachTensor(runner.GetInputs(), ({ bytes }, i) => {
    const name = inputs[i]?.name;
    const feed = name === undefined ? undefined : feeds.get(name);
    if (feed) bytes.set(feed.bytes);
  });
}

function holdIn(wasm: TfjsWasm, bytes: Uint8Array, io: TfliteIo): TfliteHold {
  const { runner, free } = loadTfjs(wasm, bytes);
  // Refuse now what could not be passed later.
  for (const tensors of [runner.GetInputs(), runner.GetOutputs()]) eachTensor(tensors, () => undefined);
  return {
    write: (feeds) => writeInputs(runner, io, feeds),
    async infer() {
      inferTfjs(runner);
    },
    read: () =>
      eachTensor(runner.GetOutputs(), ({ bytes, shape }, i) => {
        const { name = "", dtype = "float32" } = io.outputs[i] ?? {};
        return [name, { dtype, shape, bytes: bytes.slice() }] as const;
      }),
    free,
  };
}

/**
 * Its profiler only tells the first time and the mean of all, and never forgets: each counted run has a runner of its own, in which a first
 * run warms up and the second is twice the mean less the first.
 */
function profileIn(
  wasm: TfjsWasm,
  bytes: Uint8Array,
  { io, feeds, runs }: { readonly io: TfliteIo; readonly feeds: ReadonlyMap<string, Tensor>; readonly runs: number },
): RuntimeProfile {
  const summaries = Array.from({ length: runs }, () => {
    const { runner, free } = loadTfjs(wasm, bytes, { profiling: EVENTS });
    for (let i = 0; i < 2; i++) {
      writeInputs(runner, io, feeds);
      inferTfjs(runner);
    }
    const summary = parseSummary(runner.GetProfilingSummary());
    free();
    return summary;
  });
  const operators = operatorTimes(summaries, io.records);
  return { runtime: "tfjs-tflite", runs, operators, totalUs: operators.reduce((sum, { timeUs }) => sum + timeUs, 0) };
}

/**
 * Loads a model into an instance of its own, in this thread. @throws RUNTIME_FAILED with TensorFlow Lite's words; what the reader throws for
 * bytes that are no TFLite file; RUNTIME_MISSING
 */
export async function openTfjsEngine(bytes: Uint8Array): Promise<Engine> {
  const { wasm, takeLog } = await startTfjs();
  return openTfliteEngine(bytes, {
    threads: 1,
    believesOutputs: false,
    takeLog,
    load: async (file, io) => holdIn(wasm, file, io),
    profile: async (file, request) => profileIn(wasm, file, request),
    close: async () => undefined,
  });
}
