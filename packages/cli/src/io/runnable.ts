import { isTesseraError } from "@tessera/core/base/error";
import type { Feeds, LoadOptions, Runtime, Session } from "@tessera/core/graph/runtime";
import { readBytes, sha256 } from "./files.ts";
import { type FormatId, formatOfBytes, formatRow } from "./formats.ts";
import { type ModelFile, readModelFile } from "./model-file.ts";
import { type Presented, presentSession, type Wanted, wantedBy } from "./present.ts";

/** Bytes that a runtime can run. */
export interface RunFile {
  readonly bytes: Uint8Array;
  readonly externalData: ReadonlyMap<string, Uint8Array>;
  /** In whose terms (names, layouts, types) it is to be fed; absent: in its own. */
  readonly wanted?: Wanted;
  /** Whether it keeps values from one run to the next: each run of it is then made in a session of its own. */
  readonly remembers?: boolean;
}

/** A file that a runtime can run: `.onnx` with its external data, `.tflite`, or `.ort`, which only runtimes understand. */
export interface Runnable extends RunFile {
  readonly path: string;
  readonly sha256: string;
  readonly format: FormatId;
}

/** A model file as one to be run, fed in the terms of its model. */
export function runnableOf(file: ModelFile): Runnable {
  const { path, bytes, sha256: digest, format, externalData, model } = file;
  const { ownTerms, remembers } = formatRow(format);
  const wanted = ownTerms ? { wanted: wantedBy(model) } : {};
  return { path, bytes, sha256: digest, format, externalData, ...wanted, remembers: remembers(bytes) };
}

/**
 * Reads a file to be run, fed in the terms of its model unless its own are asked for. A TFLite file whose operators Tessera does not know still runs,
 * fed in its own terms.
 *
 * @throws as `readModelFile`, for everything but that and `.ort`
 */
export function readRunnable(path: string, options: { readonly inOwnTerms?: boolean } = {}): Runnable {
  const bytes = readBytes(path);
  const { id: format, raise, ownTerms } = formatOfBytes(bytes);
  const asItIs: Runnable = { path, bytes, sha256: sha256(bytes), format, externalData: new Map() };
  if (typeof raise !== "function" || (ownTerms && options.inOwnTerms === true)) return asItIs;
  try {
    return runnableOf(readModelFile(path));
  } catch (error) {
    if (ownTerms && isTesseraError(error) && error.code === "UNSUPPORTED_OP") return asItIs;
    throw error;
  }
}

/**
 * Opens a session on a file as it lies on disk, fed in the terms that the file is wanted in. Of a file that remembers, every run starts from nothing, as a
 * run of its model does; times are those of one session.
 *
 * @throws RUNTIME_FAILED, SHAPE_MISMATCH
 */
export async function openRunnable(
  runtime: Runtime,
  file: RunFile,
  options: Omit<LoadOptions, "externalData"> = {},
): Promise<Presented> {
  const load = (): Promise<Session> =>
    runtime.load(file.bytes, { ...options, ...(file.externalData.size > 0 ? { externalData: file.externalData } : {}) });
  const own = await load();
  const session =
    file.remembers === true ? { ...own, run: (feeds: Feeds) => inFresh(load, feeds), close: () => own.close() } : own;
  return file.wanted === undefined ? session : presentSession(session, file.wanted);
}

async function inFresh(load: () => Promise<Session>, feeds: Feeds): Promise<Feeds> {
  const session = await load();
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}
