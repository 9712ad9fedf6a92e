import { writeTflite } from "@tessera/core/formats/tflite/write";
import { startTfjs } from "./tfjs-tflite-module.ts";
import { inferTfjs, loadTfjs, tensorShapes } from "./tfjs-tflite-run.ts";
import type { TfliteIo } from "./tflite-io.ts";

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

/**
 * The true shapes of the outputs, from the TensorFlow Lite inside tfjs-tflite, which computes all sizes as it goes; LiteRT believes what the
 * file declares of the outputs, and writes past their end where that is too small.
 * @throws Error in that runtime's words when it does not take the file
 */
export async function measuredOutputs(bytes: Uint8Array): Promise<readonly (readonly number[])[]> {
  const { wasm } = await startTfjs();
  const { runner } = loadTfjs(wasm, bytes);
  // Some sizes are known only once the graph has run; the inputs are whatever the fresh memory holds, zeros.
  inferTfjs(runner);
  return tensorShapes(runner.GetOutputs());
}
