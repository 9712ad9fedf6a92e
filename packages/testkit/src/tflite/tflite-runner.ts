import { byteLength } from "@tessera/core/graph/dtype";
import type { ValueInfo } from "@tessera/core/graph/model";
import type { Runtime } from "@tessera/core/graph/runtime";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";

/** A runtime that tests ask whether it takes a `.tflite` file, and what the file computes. */
export interface TfliteRunner {
  /**
   * Runs the first subgraph once. `fill` gives the bytes of each input; the result has the bytes of each output. An error of the runtime
   * is thrown as it is.
   */
  readonly run: (file: Uint8Array, fill: InputFill) => Promise<readonly Uint8Array[]>;
}

/** Gives the bytes of an input, exactly `sizeBytes` of them. */
export type InputFill = (input: number, sizeBytes: number) => Uint8Array;

function filled({ name, type }: ValueInfo, index: number, fill: InputFill): readonly [string, Tensor] {
  if (type.kind !== "tensor" || !type.dtype || !type.shape) throw new Error(`${name} is no tensor`);
  const shape = type.shape.map((d) => (typeof d === "number" ? d : 1));
  return [name, { dtype: type.dtype, shape, bytes: fill(index, byteLength(type.dtype, countOf(shape))) }];
}

/** A runtime of TFLite files as a runner: inputs of the sizes that the file declares. */
export function runnerOn(runtime: Runtime): TfliteRunner {
  return {
    async run(file, fill) {
      const session = await runtime.load(file);
      try {
        const result = await session.run(new Map(session.inputs.map((input, i) => filled(input, i, fill))));
        return session.outputs.map(({ name }) => (result.get(name) as Tensor).bytes);
      } finally {
        await session.close();
      }
    },
  };
}
