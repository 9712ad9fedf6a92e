import { fail } from "../../base/error.ts";
import { writePixels } from "../../signal/pixels.ts";
import type { ImageInput } from "../card.ts";
import { type AcquisitionFailure, cropAt, type FaceCrops } from "./crops.ts";

/** Name of the list beside the numbers. */
export const CROP_INDEX_FILE = "index.json";

/** Largest index that is read, bytes: about 200,000 rows. */
export const MAX_INDEX_BYTES = 64 << 20;

/**
 * Beside one raw little-endian file, what its rows are. "float32": pre-processed tensors [3, H, W] or [H, W, 3], ready to be fed (other tools
 * read these); "uint8": aligned pictures [H, W, 3] in RGB, for any pre-processing, with a `digest` of what they were made from.
 */
export interface CropIndex {
  readonly count: number;
  readonly shape: readonly [number, number, number];
  readonly dtype: "float32" | "uint8";
  readonly file: "crops.f32" | "crops.u8";
  readonly paths: readonly string[];
  /** Empty where the data set names nobody. */
  readonly subjects: readonly string[];
  /** Such as "eval" and "calib"; empty where there are none. */
  readonly roles: readonly string[];
  /** Names detector, card and data: a cache with another digest is stale. Given for "uint8". */
  readonly digest?: string;
  /** Pictures without a face; those of which nothing was used have a black row that must not be embedded. Absent: none. */
  readonly failures?: readonly AcquisitionFailure[];
}

/** The index as the text of its file. */
export function printCropIndex(index: CropIndex): string {
  return `${JSON.stringify(index)}\n`;
}

/** Reads the bytes of an index. @throws DATASET_INVALID naming what is wrong */
export function parseCropIndex(bytes: Uint8Array): CropIndex {
  if (bytes.length > MAX_INDEX_BYTES) throw bad(`it has ${bytes.length} bytes, more than ${MAX_INDEX_BYTES}`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fail("DATASET_INVALID", "Cannot read the crop index: it is not JSON in UTF-8", { cause });
  }
  if (typeof value !== "object" || value === null) throw bad("it is not an object");
  const get = (key: string): unknown =>
    Object.hasOwn(value, key) ? (value as { readonly [key: string]: unknown })[key] : undefined;
  const count = get("count");
  const shape = get("shape");
  const dtype = get("dtype");
  const digest = get("digest");
  const failures = get("failures");
  if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0) throw bad("count is not a whole number");
  if (!Array.isArray(shape) || shape.length !== 3 || !shape.every((size) => Number.isInteger(size) && size > 0 && size <= 8192)) {
    throw bad("shape is not three sizes of 1..8192");
  }
  if (dtype !== "float32" && dtype !== "uint8") throw bad("dtype is neither float32 nor uint8");
  const file = dtype === "float32" ? ("crops.f32" as const) : ("crops.u8" as const);
  if (get("file") !== file) throw bad(`file is not "${file}"`);
  if (digest !== undefined && typeof digest !== "string") throw bad("digest is not text");
  const [a, b, c] = shape as [number, number, number];
  return {
    count,
    shape: [a, b, c],
    dtype,
    file,
    paths: texts(get("paths"), "paths", count),
    subjects: texts(get("subjects"), "subjects", count, true),
    roles: texts(get("roles"), "roles", count, true),
    ...(digest !== undefined && { digest }),
    ...(failures !== undefined && { failures: failuresOf(failures, count) }),
  };
}

function failuresOf(value: unknown, count: number): readonly AcquisitionFailure[] {
  if (!Array.isArray(value) || value.length > count) throw bad("failures is not a list with at most one entry per row");
  return value.map((entry: unknown): AcquisitionFailure => {
    if (typeof entry !== "object" || entry === null) throw bad("failures holds something that is not an object");
    const { index, name, why, used, message } = entry as { readonly [key in keyof AcquisitionFailure]?: unknown };
    const known = (why === "no-face" || why === "unreadable") && (used === "nothing" || used === "centre-crop");
    if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= count)
      throw bad("failures names a row that is not there");
    if (!known || typeof name !== "string" || typeof message !== "string")
      throw bad("failures holds an entry that is not understood");
    return { index, name, why, used, message };
  });
}

function texts(value: unknown, name: string, count: number, mayBeEmpty = false): readonly string[] {
  if (!Array.isArray(value) || !value.every((entry): entry is string => typeof entry === "string"))
    throw bad(`${name} is not a list of texts`);
  if (value.length !== count && !(mayBeEmpty && value.length === 0))
    throw bad(`${name} has ${value.length} entries, count says ${count}`);
  return value;
}

function bad(why: string): Error {
  return fail("DATASET_INVALID", `Cannot read the crop index: ${why}`);
}

/** Crops from the bytes of a "uint8" cache, shared. @throws DATASET_INVALID when the length does not fit or the cache holds floats */
export function cropsFromCache(index: CropIndex, bytes: Uint8Array): FaceCrops {
  const [height, width, channels] = index.shape;
  if (index.dtype !== "uint8" || channels !== 3) throw bad("it does not describe aligned uint8 pictures");
  if (bytes.length !== index.count * height * width * 3)
    throw bad(`${index.file} has ${bytes.length} bytes, not ${index.count * height * width * 3}`);
  const acquired = new Uint8Array(index.count).fill(1);
  const failures = index.failures ?? [];
  for (const failure of failures) if (failure.used === "nothing") acquired[failure.index] = 0;
  return { kind: "crops", width, height, count: index.count, data: bytes, names: index.paths, acquired, failures };
}

/**
 * Acquired crops as f32[M, 3, H, W] or f32[M, H, W, 3] by an input contract, with the rows they came from. 150,528 bytes a face of 112 x 112:
 * for handing a calibration set to another tool, not for whole data sets.
 */
export function cropTensors(
  crops: FaceCrops,
  input: ImageInput,
): { readonly rows: readonly number[]; readonly data: Float32Array } {
  const rows: number[] = [];
  for (let i = 0; i < crops.count; i++) if (crops.acquired[i] === 1) rows.push(i);
  const size = crops.width * crops.height * 3;
  const data = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries()) writePixels(cropAt(crops, row), input, { out: data, offset: i * size });
  return { rows, data };
}
