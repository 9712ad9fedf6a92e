import { tfjsTfliteRuntime } from "@tessera/runtimes/tfjs-tflite";
import { runnerOn, type TfliteRunner } from "./tflite-runner.ts";

/**
 * The TensorFlow Lite of 2023 that is inside tfjs-tflite, in this thread: an independent and older runtime, which computes the sizes of all
 * tensors itself and knows stateful operators. Each run has an instance of its own.
 */
export async function openTfjsTflite(): Promise<TfliteRunner> {
  return runnerOn(await tfjsTfliteRuntime({ worker: false }));
}
