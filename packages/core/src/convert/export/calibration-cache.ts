import { fail } from "../../base/error.ts";
import { GraphDraft } from "../../graph/draft.ts";
import type { Model } from "../../graph/model.ts";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { plannedModel } from "../../graph/planned.ts";
import { encodedRange } from "../../graph/quantize.ts";

/** A calibration cache of TensorRT as it reads. */
export interface CalibrationCache {
  /** The first line, such as TRT-8601-EntropyCalibration2: version and algorithm. */
  readonly header: string;
  /** float32 scales > 0 by tensor, in the file's order. */
  readonly scales: ReadonlyMap<string, number>;
}

/** Options of {@link calibrationCache}. */
export interface CalibrationCacheOptions {
  /** Version of TensorRT in the header, as major, minor, patch. Builders of another version may refuse the cache and ask for data. */
  readonly version?: readonly [number, number, number];
}

/** Defaults of {@link CalibrationCacheOptions}: the TensorRT of JetPack 4.6. */
export const CALIBRATION_CACHE_DEFAULTS = { version: [8, 2, 1] } as const satisfies CalibrationCacheOptions;

/** Largest cache that is read, in characters. */
export const CACHE_MAX_CHARACTERS = 16 * 1024 * 1024;

/** Most tensors that a cache may name. */
export const CACHE_MAX_TENSORS = 100_000;

/**
 * The calibration cache for TensorRT's implicit quantization: a text of a header line and one line a tensor, `name: hex`, where hex is the big-endian
 * float32 of the scale of symmetric int8, the largest magnitude over 127. It belongs to `plannedModel(model, plan)` as a float ONNX file, beside which
 * it is given to a builder (`trtexec --onnx=float.onnx --int8 --calib=calib.cache`). Weights are not in it: the builder scales them itself.
 *
 * Verified: the form of the lines and the meaning of the number (scale, not range) against caches that TensorRT wrote and against ONNX Runtime's
 * reader of them, both published. Header digits are major * 1000 + minor * 100 + patch in versions 7 and 8 (TRT-8601 is 8.6.1); from 10 on, where
 * implicit quantization is deprecated, they are taken to be major * 10000 + minor * 100 + patch, which is not verified. That TensorRT itself takes
 * our file is not verified: it needs a GPU.
 *
 * @throws PLAN_INVALID for a tensor name with a line break, which the format has no escape for
 */
export function calibrationCache(model: Model, plan: QuantPlan, options: CalibrationCacheOptions = {}): string {
  const [major, minor, patch] = options.version ?? CALIBRATION_CACHE_DEFAULTS.version;
  const digits = major >= 10 ? major * 10_000 + minor * 100 + patch : major * 1000 + minor * 100 + patch;
  const draft = new GraphDraft(plannedModel(model, plan).graph);
  const lines = [`TRT-${digits}-EntropyCalibration2`];
  for (const { name } of draft.source.inputs) add(name);
  for (const node of draft.source.nodes) for (const name of node.outputs) add(name);
  return `${lines.join("\n")}\n`;

  function add(name: string): void {
    const encoding = plan.tensors.get(name);
    if (encoding === undefined || draft.constant(name) !== undefined) return;
    if (/[\r\n]/.test(name))
      throw fail("PLAN_INVALID", "Cannot write the calibration cache: a tensor name has a line break", { at: { tensor: name } });
    lines.push(`${name}: ${hexOf(symmetricScale(encoding))}`);
  }
}

/** The scale of symmetric int8 that covers what an encoding covers: its own where it is that, else its largest magnitude over 127. */
export function symmetricScale(encoding: Encoding): number {
  if (encoding.dtype === "int8" && encoding.zeroPoint[0] === 0) return encoding.scale[0] as number;
  const { min, max } = encodedRange(encoding);
  return Math.fround(Math.max(-min, max) / 127);
}

/** The eight hexadecimal digits of a float32, most significant first; leading zeros are left out, as TensorRT does. */
function hexOf(value: number): string {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  return bits.getUint32(0).toString(16);
}

/**
 * Reads a calibration cache. Lines about layers that TensorRT named itself ("(Unnamed Layer* 4) ...") are read as they stand.
 *
 * @throws MALFORMED for a text without the header, a line without a number, a scale that is no positive finite float32, or a tensor named twice;
 * LIMIT_EXCEEDED above {@link CACHE_MAX_CHARACTERS} or {@link CACHE_MAX_TENSORS}
 */
export function readCalibrationCache(text: string): CalibrationCache {
  if (text.length > CACHE_MAX_CHARACTERS)
    throw fail(
      "LIMIT_EXCEEDED",
      `Cannot read the calibration cache: ${text.length} characters, more than ${CACHE_MAX_CHARACTERS}`,
    );
  const lines = text.split("\n");
  const header = (lines[0] ?? "").trim();
  if (!/^TRT-[0-9A-Za-z]{1,12}-[0-9A-Za-z]{1,40}$/.test(header)) throw bad(1, "it does not begin with TRT-version-algorithm");
  if (lines.length - 1 > CACHE_MAX_TENSORS)
    throw fail("LIMIT_EXCEEDED", `Cannot read the calibration cache: ${lines.length - 1} lines, more than ${CACHE_MAX_TENSORS}`);
  const scales = new Map<string, number>();
  const bits = new DataView(new ArrayBuffer(4));
  for (let i = 1; i < lines.length; i++) {
    const line = (lines[i] as string).replace(/\r$/, "");
    if (line.trim() === "") continue;
    // A name may hold colons; the number never does.
    const colon = line.lastIndexOf(":");
    const hex = line.slice(colon + 1).trim();
    if (colon <= 0 || !/^[0-9a-fA-F]{1,8}$/.test(hex)) throw bad(i + 1, "it is not of the form `tensor: hex`");
    const name = line.slice(0, colon);
    bits.setUint32(0, Number.parseInt(hex, 16));
    const scale = bits.getFloat32(0);
    if (!(scale > 0 && Number.isFinite(scale))) throw bad(i + 1, `${hex} is no positive float32`);
    if (scales.has(name)) throw bad(i + 1, "the tensor was named before");
    scales.set(name, scale);
  }
  return { header, scales };
}

function bad(line: number, why: string): Error {
  return fail("MALFORMED", `Cannot read line ${line} of the calibration cache: ${why}`, {
    hint: "Give the cache that TensorRT wrote, as it is",
  });
}
