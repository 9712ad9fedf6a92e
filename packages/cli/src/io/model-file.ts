import { existsSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { placed } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { readBytes, sha256 } from "./files.ts";
import { type FormatId, formatOfBytes, raiserOf } from "./formats.ts";

/** A model file as it lies on disk, and what it means. */
export interface ModelFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly format: FormatId;
  readonly model: Model;
  /** Encodings of a quantized file whose model is float: TFLite. An ONNX model has its QuantizeLinear and DequantizeLinear nodes instead. */
  readonly plan: QuantPlan | undefined;
  /** What the reader repaired, in sentences. */
  readonly notes: readonly string[];
  /** Data files next to the model, by the location written in it. */
  readonly externalData: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads a model file, `.onnx` or `.tflite`; `.ort` is a format of one runtime and is refused with the reason.
 *
 * @throws IO, UNSUPPORTED_FORMAT, and what the reader throws, with the file's name
 */
export function readModelFile(path: string): ModelFile {
  const bytes = readBytes(path);
  const row = formatOfBytes(bytes);
  const raise = raiserOf(row, path);
  const folder = resolve(dirname(path));
  const externalData = new Map<string, Uint8Array>();
  const resolveExternal = (location: string): Uint8Array | undefined => {
    const known = externalData.get(location);
    if (known !== undefined) return known;
    const file = resolve(join(folder, location));
    // The location comes from the file: it may name nothing outside the model's own folder.
    if (!file.startsWith(folder + sep) || !existsSync(file)) return undefined;
    const data = readBytes(file);
    externalData.set(location, data);
    return data;
  };
  try {
    const raised = raise(bytes, { externalData: resolveExternal });
    return { path, bytes, sha256: sha256(bytes), format: row.id, ...raised, externalData };
  } catch (error) {
    throw placed(error, { file: path });
  }
}
