import { fail } from "@tessera/core/base/error";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { detectFormat } from "@tessera/core/formats/detect-format";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";

/** Kinds of model file. */
export type FormatId = "onnx" | "ort" | "tflite";

/** Runtimes that run model files on this machine. */
export type RuntimeId = "ort-node" | "ort-web" | "litert" | "tfjs-tflite" | "native-c";

/** What a model file means. */
export interface Raised {
  readonly model: Model;
  /** How the file writes the model's values in integers; absent for a float file, and for ONNX, whose model has the pairs in its graph. */
  readonly plan: QuantPlan | undefined;
  /** What was repaired or left out on the way, in sentences. */
  readonly notes: readonly string[];
}

/** A kind of model file, as data: who runs it here, and how it is read. */
export interface FormatRow {
  readonly id: FormatId;
  /** Runtimes that run such files here, the one taken unless asked first. */
  readonly runtimes: readonly [RuntimeId, ...RuntimeId[]];
  /** The runtime that times single operators. */
  readonly profiler: RuntimeId;
  /** Whether inputs and outputs of a file may be in other layouts and types than those of its model. */
  readonly ownTerms: boolean;
  /** Whether a file keeps values from one run to the next, so that only a session's first run is that of its model. */
  readonly remembers: (bytes: Uint8Array) => boolean;
  readonly raise:
    | ((bytes: Uint8Array, options: { readonly externalData: (location: string) => Uint8Array | undefined }) => Raised)
    | { readonly why: string; readonly hint: string };
}

/** Every kind of model file, in plain sight. */
export const FORMATS = {
  onnx: {
    id: "onnx",
    runtimes: ["ort-node", "ort-web"],
    profiler: "ort-node",
    ownTerms: false,
    remembers: () => false,
    raise: (bytes, { externalData }) => ({ model: modelFromOnnx(bytes, { externalData }), plan: undefined, notes: [] }),
  },
  ort: {
    id: "ort",
    runtimes: ["ort-node", "ort-web"],
    profiler: "ort-node",
    ownTerms: false,
    remembers: () => false,
    raise: {
      why: "an ORT-format file is already optimised for one runtime and is not read back",
      hint: "Start from the .onnx file it was made of",
    },
  },
  tflite: {
    id: "tflite",
    runtimes: ["litert", "tfjs-tflite", "native-c"],
    profiler: "tfjs-tflite",
    ownTerms: true,
    remembers: (bytes) => (readTflite(bytes).subgraphs ?? []).some((g) => (g.tensors ?? []).some((t) => t.isVariable === true)),
    raise: (bytes) => modelFromTflite(bytes),
  },
} as const satisfies Readonly<Record<FormatId, FormatRow>>;

/** The row of a format. */
export function formatRow(id: FormatId): FormatRow {
  return FORMATS[id];
}

/** What the bytes are, by their content. What nothing tells is taken for ONNX, whose reader says what is wrong with it. */
export function formatOfBytes(bytes: Uint8Array): FormatRow {
  const found = detectFormat(bytes);
  return FORMATS[found === "unknown" ? "onnx" : found];
}

/** The format that a file name's ending says; `undefined` when it says none. */
export function formatOfName(path: string): FormatId | undefined {
  const ending = (/\.([^./\\]+)$/.exec(path)?.[1] ?? "").toLowerCase();
  return Object.hasOwn(FORMATS, ending) ? FORMATS[ending as FormatId].id : undefined;
}

/** A file name without the ending of its format. */
export function stemOf(path: string): string {
  return formatOfName(path) === undefined ? path : path.replace(/\.[^./\\]+$/, "");
}

/** Stems of files that go into one folder: where one comes again, its number is added. */
export function uniqueStems(stems: readonly string[]): readonly string[] {
  return stems.map((stem, i) => (stems.indexOf(stem) === i ? stem : `${stem}-${i + 1}`));
}

/** That a format cannot be read into a model. @throws UNSUPPORTED_FORMAT */
export function raiserOf(row: FormatRow, path: string): Exclude<FormatRow["raise"], { readonly why: string }> {
  if (typeof row.raise === "function") return row.raise;
  throw fail("UNSUPPORTED_FORMAT", `Cannot read ${path}: ${row.raise.why}`, { at: { file: path }, hint: row.raise.hint });
}
