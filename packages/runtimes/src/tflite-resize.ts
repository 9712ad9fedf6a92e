import { writeTflite } from "@tessera/core/formats/tflite/write";
import { startTfjs, type TfjsWasm } from "./tfjs-tflite-module.ts";
import { inferTfjs, loadTfjs, tensorShapes } from "./tfjs-tflite-run.ts";
import type { TfliteIo } from "./tflite-io.ts";
import type { WasmRun } from "./wasm-program.ts";

/** Shapes by index of the tensor in subgraph 0. */
export type ShapesByTensor = ReadonlyMap<number, readonly number[]>;

/** The file with other shapes for tensors of subgraph 0, which from then on leave no size open. */
export function withShapes({ records }: TfliteIo, shapes: ShapesByTensor): Uint8Array {
  const [graph, ...others] = records.subgraphs ?? [];
  const tensors = graph?.tensors?.map((tensor, i) => {
    const shape = shapes.get(i);
    if (!shape) return tensor;
    const { shapeSignature: _, ...rest } = tensor;
    return { ...rest, shape: Int32Array.from(shape) };
  });
  return writeTflite({ ...records, subgraphs: [{ ...graph, ...(tensors && { tensors }) }, ...others] });
}

/** The runtime that tells sizes; once per thread, until it fails. */
let teller: Promise<WasmRun<TfjsWasm>> | undefined;

/**
 * The true shapes of the outputs, from the TensorFlow Lite inside tfjs-tflite, which computes all sizes as it goes; LiteRT believes what the
 * file declares of the outputs, and writes past their end where that is too small.
 * @throws Error in that runtime's words when it does not take the file
 */
export async function measuredOutputs(bytes: Uint8Array): Promise<readonly (readonly number[])[]> {
  teller ??= startTfjs();
  try {
    const { wasm } = await teller;
    const { runner, free } = loadTfjs(wasm, bytes);
    // Some sizes are known only once the graph has run; the inputs are whatever the memory holds.
    inferTfjs(runner);
    const shapes = tensorShapes(runner.GetOutputs());
    free();
    return shapes;
  } catch (error) {
    teller = undefined;
    throw error;
  }
}
