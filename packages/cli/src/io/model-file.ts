import { existsSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { fail, placed } from "@tessera/core/base/error";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { detectFormat } from "@tessera/core/formats/detect-format";
import type { Model } from "@tessera/core/graph/model";
import { readBytes, sha256 } from "./files.ts";

/** A model file as it lies on disk, and what it means. */
export interface ModelFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly model: Model;
  /** Data files next to the model, by the location written in it. */
  readonly externalData: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads a model file. Only `.onnx` can be raised; `.ort` is a format of one runtime and is refused with the reason.
 *
 * @throws IO, UNSUPPORTED_FORMAT, and what the reader throws, with the file's name
 */
export function readModelFile(path: string): ModelFile {
  const bytes = readBytes(path);
  const format = detectFormat(bytes);
  if (format === "ort") {
    throw fail(
      "UNSUPPORTED_FORMAT",
      `Cannot read ${path}: an ORT-format file is already optimised for one runtime and is not read back`,
      {
        at: { file: path },
        hint: "Start from the .onnx file it was made of",
      },
    );
  }
  if (format === "tflite") {
    throw fail("UNSUPPORTED_FORMAT", `Cannot read ${path}: TFLite files are not read by this version`, {
      at: { file: path },
      hint: "Start from the ONNX file",
    });
  }
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
    return { path, bytes, sha256: sha256(bytes), model: modelFromOnnx(bytes, { externalData: resolveExternal }), externalData };
  } catch (error) {
    throw placed(error, { file: path });
  }
}
