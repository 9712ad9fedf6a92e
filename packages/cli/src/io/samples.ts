import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { fail, placed } from "@tessera/core/base/error";
import type { Shape } from "@tessera/core/graph/dim";
import { byteLength } from "@tessera/core/graph/dtype";
import type { TensorType, ValueInfo } from "@tessera/core/graph/model";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";
import { fileParts, fileSize, sha256, sha256OfFile } from "./files.ts";
import { NPY_HEAD_BYTES, type NpyHeader, parseNpyHeader } from "./npy.ts";
import { IMAGE_ORDERS, permuted, transposed } from "./present.ts";

/** Samples in a folder: how many, and the way to them one at a time. */
export interface SampleFolder {
  readonly count: number;
  /** sha-256 over the files in order. */
  readonly digest: string;
  /** What each sample is called: its file, with its place in it where that holds several. */
  readonly names: readonly string[];
  feeds(limit?: number): Generator<Feeds>;
}

const KINDS: ReadonlySet<string> = new Set([".npy", ".f32"]);

function typeOf(input: ValueInfo): TensorType & { readonly shape: Shape } {
  const { type } = input;
  if (type.kind !== "tensor" || type.shape === undefined)
    throw fail("DATA_MISSING", `Cannot read samples for input ${input.name}: its type or rank is not known`);
  return { ...type, shape: type.shape };
}

function matches(shape: readonly number[], pattern: Shape): boolean {
  return shape.length === pattern.length && pattern.every((d, i) => typeof d === "string" || d === shape[i]);
}

/**
 * The shape of one sample in an array of a shape: an array of the input's own shape is one sample; where the first size is free or divides the
 * array's, or stands in front as a further axis, the array holds many. `undefined` when it does not fit.
 */
function sampleShape(shape: readonly number[], pattern: Shape): readonly number[] | undefined {
  const [first, ...rest] = pattern;
  if (shape.length === pattern.length + 1 && matches(shape.slice(1), pattern)) return shape.slice(1);
  if (first === undefined) return shape.length === 0 ? shape : undefined;
  const each = typeof first === "number" ? first : 1;
  if (each === 1 && matches(shape, rest)) return [1, ...shape];
  if (shape.length !== pattern.length || !matches(shape.slice(1), rest)) return undefined;
  return (shape[0] as number) % each === 0 ? [each, ...shape.slice(1)] : undefined;
}

/** The shape of one sample, and how its axes are to be ordered for the model. */
interface Found {
  readonly shape: readonly number[];
  readonly permutation?: readonly number[];
}

/** As {@link sampleShape}; a picture may also lie in the other layout, as the file that the model came from has it. */
function findSample(shape: readonly number[], pattern: Shape): Found | undefined {
  const own = sampleShape(shape, pattern);
  if (own !== undefined || pattern.length !== 4) return own && { shape: own };
  for (const { to, back } of IMAGE_ORDERS) {
    const found = sampleShape(shape, permuted(pattern, to));
    if (found !== undefined) return { shape: found, permutation: back };
  }
  return undefined;
}

/** A folder name for an input name: what cannot be part of a file name becomes "_". */
export function inputFolder(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]/g, "_");
}

function filesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) throw fail("IO", `Cannot read samples: there is no folder ${folder}`, { at: { file: folder } });
  return readdirSync(folder)
    .filter((name) => KINDS.has(extname(name)) && statSync(join(folder, name)).isFile())
    .sort()
    .map((name) => join(folder, name));
}

/** How samples lie in a file. */
interface SampleFile {
  readonly path: string;
  readonly count: number;
  readonly found: Found;
  /** Of a sample. */
  readonly bytes: number;
  /** Where the first one begins. */
  readonly offset: number;
}

/** Looks at the head of a file. A raw file says nothing about its shape: symbolic sizes are 1 there. */
function openFile(path: string, input: ValueInfo): SampleFile {
  const { dtype, shape: pattern } = typeOf(input);
  const where = { file: path };
  const size = fileSize(path);
  const isNpy = extname(path) === ".npy";
  const header = isNpy ? headerOf(path, size) : { dtype: "float32" as const, shape: [], offset: 0 };
  if (header.dtype !== dtype)
    throw fail("DTYPE_MISMATCH", `Cannot feed ${path} to ${input.name}: it holds ${header.dtype}, the model takes ${dtype}`, {
      at: where,
    });
  const found: Found | undefined = isNpy
    ? findSample(header.shape, pattern)
    : { shape: pattern.map((d) => (typeof d === "number" ? d : 1)) };
  const bytes = byteLength(dtype, countOf(found?.shape ?? []));
  const held = size - header.offset;
  if (found === undefined || bytes === 0 || held === 0 || held % bytes !== 0) {
    const has = isNpy ? `its shape is [${header.shape}]` : `it has ${held} bytes`;
    throw fail("SHAPE_MISMATCH", `Cannot feed ${path} to ${input.name}: ${has}, the model takes [${pattern}]`, { at: where });
  }
  return { path, count: held / bytes, found, bytes, offset: header.offset };
}

function headerOf(path: string, size: number): NpyHeader {
  for (const head of fileParts(path, { size: NPY_HEAD_BYTES })) {
    try {
      return parseNpyHeader(head, size);
    } catch (error) {
      throw placed(error, { file: path });
    }
  }
  throw fail("MALFORMED", "Cannot read the .npy file: it is empty", { at: { file: path } });
}

/** The samples of one file, one after the other: what is in memory does not grow with their number. */
function* samplesOf({ path, count, found, bytes, offset }: SampleFile, input: ValueInfo): Generator<Tensor> {
  const { dtype } = typeOf(input);
  let given = 0;
  for (const part of fileParts(path, { offset, size: bytes })) {
    const sample = { dtype, shape: found.shape, bytes: part };
    if (given++ === count || part.length !== bytes)
      throw fail("IO", `Cannot read ${path}: it was changed while it was read`, { at: { file: path } });
    yield found.permutation === undefined ? sample : transposed(sample, found.permutation);
  }
}

/**
 * Opens a folder of samples for a model: `.npy` arrays (numpy) and `.f32` files (raw float32, little-endian), in order of their names. A model
 * with one input takes the files of the folder, pictures in either layout; one with several takes those of a folder per input inside it, called by the input's name.
 * Files are read sample by sample.
 *
 * @throws IO, CALIBRATION_EMPTY without files; MALFORMED, DTYPE_MISMATCH, SHAPE_MISMATCH naming the file; DATASET_INVALID when the
 *   inputs have different numbers of samples
 */
export function openSamples(folder: string, inputs: readonly ValueInfo[]): SampleFolder {
  const single = inputs.length === 1;
  const columns = inputs.map((input) => {
    const own = join(folder, inputFolder(input.name));
    const files = filesIn(single && !existsSync(own) ? folder : own);
    if (files.length === 0)
      throw fail("CALIBRATION_EMPTY", `Cannot find samples of ${input.name}: ${folder} has no .npy or .f32 file for it`, {
        hint: single ? "Put arrays of the input's shape there" : `Put them into ${own}`,
      });
    return { input, files: files.map((file) => openFile(file, input)) };
  });
  const digests = columns.flatMap(({ files }) => files.map(({ path }) => sha256OfFile(path)));
  const counts = columns.map(({ files }) => files.map((file) => file.count));
  const perFile = counts[0] ?? [];
  const each = counts.map((of) => of.reduce((a, b) => a + b, 0));
  const [count = 0] = each;
  if (each.some((n) => n !== count))
    throw fail(
      "DATASET_INVALID",
      `Cannot use ${folder}: ${columns.map((c, i) => `${c.input.name} has ${each[i]} samples`).join(", ")}`,
    );
  const names = (columns[0]?.files ?? []).flatMap((file, f) => {
    const many = at(perFile, f);
    return Array.from({ length: many }, (_, i) => (many === 1 ? basename(file.path) : `${basename(file.path)}[${i}]`));
  });
  function* column({ input, files }: (typeof columns)[number]): Generator<Tensor> {
    for (const file of files) yield* samplesOf(file, input);
  }
  return {
    count,
    digest: sha256(digests.join("")),
    names,
    *feeds(limit = count) {
      const streams = columns.map((c) => ({ name: c.input.name, values: column(c) }));
      for (let i = 0; i < Math.min(limit, count); i++) {
        yield new Map(streams.map(({ name, values }) => [name, values.next().value as Tensor]));
      }
    },
  };
}
