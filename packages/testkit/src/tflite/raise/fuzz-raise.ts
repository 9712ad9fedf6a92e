import type { Random } from "@tessera/core/base/random";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { readTflite } from "@tessera/core/formats/tflite/read";
import { MODEL } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { verifyModel } from "@tessera/core/graph/verify";
import { anatomyOf, mutateFlatbuffer } from "../../mutate-flatbuffer.ts";
import { fuzzReader, type ReaderFuzzReport } from "../../reader-fuzz.ts";
import { mutateTfliteModel } from "./mutate-model.ts";

/** Raises the bytes of a file in one of the layouts; what comes out must be a sound model that can be written. */
function raiseAndWrite(bytes: Uint8Array): void {
  const inputLayout = (bytes.length + (bytes[bytes.length >> 1] ?? 0)) % 2 === 0 ? "nchw" : "keep";
  const { model, plan } = modelFromTflite(bytes, { inputLayout });
  verifyModel(model);
  modelToOnnx(model);
  const names = new Set([
    ...model.graph.inputs.map((i) => i.name),
    ...model.graph.constants.keys(),
    ...model.graph.nodes.flatMap((n) => n.outputs),
  ]);
  const lost = [...(plan?.tensors.keys() ?? [])].find((name) => !names.has(name));
  if (lost !== undefined) throw new Error(`the plan names ${lost}, which is not in the graph`);
}

/** Damages what files say, what holds them together, or their bytes, `count` times, and raises what comes of it. Errors without a code end the run. */
export function fuzzRaise(
  files: readonly Uint8Array[],
  run: { readonly count: number; readonly seed: number; readonly damage: "model" | "structure" | "bytes" },
): ReaderFuzzReport {
  const { count, seed } = run;
  if (run.damage === "bytes") return fuzzReader({ files, count, seed, read: raiseAndWrite });
  if (run.damage === "model") {
    const models = new Map(files.map((file) => [file, readTflite(file)]));
    const damage = (file: Uint8Array, random: Random): Uint8Array =>
      writeTflite(mutateTfliteModel(models.get(file) ?? readTflite(file), random), { dropUnknown: true });
    return fuzzReader({ files, count, seed, read: raiseAndWrite, damage });
  }
  const anatomies = new Map(files.map((file) => [file, anatomyOf(MODEL, file)]));
  const damage = (file: Uint8Array, random: Random): Uint8Array => {
    const anatomy = anatomies.get(file);
    if (anatomy === undefined) throw new Error("Only whole files can be taken apart");
    return mutateFlatbuffer(file, anatomy, random);
  };
  return fuzzReader({ files, count, seed, read: raiseAndWrite, damage });
}
