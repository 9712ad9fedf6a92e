import { detectFormat } from "@tessera/core/formats/detect-format";
import type { LoadOptions, Runtime, Session } from "@tessera/core/graph/runtime";
import { readBytes, sha256 } from "./files.ts";
import { readModelFile } from "./model-file.ts";

/** A file that a runtime can run: `.onnx` with its external data, or `.ort`, which only runtimes understand. */
export interface Runnable {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly format: "onnx" | "ort";
  readonly externalData: ReadonlyMap<string, Uint8Array>;
}

/** Reads a file to be run. @throws as `readModelFile`, for everything but `.ort` */
export function readRunnable(path: string): Runnable {
  const bytes = readBytes(path);
  if (detectFormat(bytes) === "ort") return { path, bytes, sha256: sha256(bytes), format: "ort", externalData: new Map() };
  const file = readModelFile(path);
  return { path, bytes: file.bytes, sha256: file.sha256, format: "onnx", externalData: file.externalData };
}

/** Opens a session on a file as it lies on disk. @throws RUNTIME_FAILED */
export function openRunnable(
  runtime: Runtime,
  file: Pick<Runnable, "bytes" | "externalData">,
  options: Omit<LoadOptions, "externalData"> = {},
): Promise<Session> {
  return runtime.load(file.bytes, { ...options, ...(file.externalData.size > 0 ? { externalData: file.externalData } : {}) });
}
