import { readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { modelFromTflite, modelToTflite } from "@tessera/core/convert/tflite/bytes";
import { readTflite } from "@tessera/core/formats/tflite/read";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { sameTensor, type Tensor, tensor } from "@tessera/core/graph/tensor";
import { litertRuntime } from "@tessera/runtimes/litert";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../../shared.ts";

const shared = sharedDir();

const RANDOM = 1000;
const SMOOTH = 100;

/** Any integers at all. */
function noise(shape: readonly number[], seed: number): Tensor {
  const random = seededRandom(seed);
  return tensor(
    "int8",
    shape,
    Int8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.int(256) - 128),
  );
}

/** Hills and edges, as pictures and spectrograms have them, [N, H, W, C]. */
function smooth(shape: readonly number[], seed: number): Tensor {
  const random = seededRandom(seed);
  const [, height = 1, width = 1, channels = 1] = shape;
  const [a, b, p, edge] = [1 + 5 * random.next(), 1 + 5 * random.next(), 6 * random.next(), random.next()] as const;
  const data = new Int8Array(height * width * channels);
  for (let i = 0; i < data.length; i++) {
    const [y, x, c] = [Math.floor(i / (width * channels)), Math.floor(i / channels) % width, i % channels] as const;
    const hill = Math.sin((a * x) / width + p + c / 2) * Math.cos((b * y) / height);
    data[i] = Math.round(Math.max(-128, Math.min(127, 90 * hill + (x > edge * width ? 30 : -20) + 6 * random.normal())));
  }
  return tensor("int8", shape, data);
}

/**
 * The file that ends where its last operator, a SOFTMAX, begins: logits tell more than probabilities, of which all but one are often 0.
 */
function untilLogits(file: Uint8Array): Uint8Array {
  const { signatureDefs: _, ...model } = readTflite(file);
  const [graph] = model.subgraphs ?? [];
  const last = graph?.operators?.at(-1);
  if (graph?.operators === undefined || last?.inputs === undefined) throw new Error("the file has no operators");
  const cut = { ...graph, operators: graph.operators.slice(0, -1), outputs: last.inputs.slice(0, 1) };
  return writeTflite({ ...model, subgraphs: [cut] });
}

describe("an int8 file raised and lowered again", () => {
  for (const name of ["mlperf-tiny-kws-dscnn-int8", "mlperf-tiny-vww-mobilenet-int8"]) {
    test.skipIf(shared === undefined)(`gives the same integers on LiteRT for ${RANDOM + SMOOTH} inputs: ${name}`, async () => {
      const file = new Uint8Array(readFileSync(join(shared as string, "models/mcu", `${name}.tflite`)));
      const { model, plan } = modelFromTflite(file);
      const again = modelToTflite(model, { ...(plan !== undefined && { plan }), io: "integer" });
      const runtime = await litertRuntime({ worker: false });
      const [before, after] = [await runtime.load(untilLogits(file)), await runtime.load(untilLogits(again))];
      const [input] = before.inputs;
      if (input?.type.kind !== "tensor") throw new Error("the file has no input");
      const shape = input.type.shape as readonly number[];
      const answers = new Set<string>();
      for (let i = 0; i < RANDOM + SMOOTH; i++) {
        const x = i < RANDOM ? noise(shape, i) : smooth(shape, i);
        const want = await before.run(new Map([[input.name, x]]));
        const got = await after.run(new Map([[input.name, x]]));
        const [[wanted], [made]] = [[...want.values()], [...got.values()]] as const;
        expect(sameTensor(made as Tensor, wanted as Tensor)).toBe(true);
        answers.add((wanted as Tensor).bytes.join());
      }
      // Inputs that all give one answer would prove nothing.
      expect(answers.size).toBeGreaterThan(50);
      await before.close();
      await after.close();
    });
  }
});
