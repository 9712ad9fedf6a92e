import { fail } from "@tessera/core/base/error";
import { byteLength, type DType } from "@tessera/core/graph/dtype";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";

/** Longest header that is read, bytes. numpy itself writes a few hundred and refuses to parse more than 10,000. */
export const NPY_MAX_HEADER_BYTES = 10_000;

/** Most axes of an array (numpy allows 64). */
export const NPY_MAX_RANK = 64;

const MAGIC = "\x93NUMPY";

/** numpy's type strings of what we take: little-endian, or of one byte. */
const TYPES: Readonly<Record<string, DType>> = {
  "<f4": "float32",
  "<f8": "float64",
  "<f2": "float16",
  "|i1": "int8",
  "|u1": "uint8",
  "<i2": "int16",
  "<u2": "uint16",
  "<i4": "int32",
  "<u4": "uint32",
  "<i8": "int64",
  "<u8": "uint64",
  "|b1": "bool",
};

function bad(why: string): Error {
  return fail("MALFORMED", `Cannot read the .npy file: ${why}`);
}

/** The value of a key of the header, which is a Python dictionary on one line; its three values never hold braces or quotes of their own. */
function entryOf(header: string, key: string, pattern: string): string {
  const match = new RegExp(`['"]${key}['"]\\s*:\\s*${pattern}\\s*[,}]`).exec(header);
  if (match?.[1] === undefined)
    throw bad(`its header does not say ${key} in a way that is understood: ${header.slice(0, 80).trim()}`);
  return match[1];
}

/** What the header of a file of numpy says. */
export interface NpyHeader {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Where the numbers begin, bytes from the start of the file. */
  readonly offset: number;
}

/** Bytes from the start of a file in which its header ends, whatever is in it. */
export const NPY_HEAD_BYTES = 12 + NPY_MAX_HEADER_BYTES;

/**
 * Reads the header of an array that numpy saved (format versions 1 to 3): little-endian numbers in C order.
 *
 * @param head the first {@link NPY_HEAD_BYTES} of the file, or all of it
 * @param size bytes of the whole file
 * @throws MALFORMED when the bytes are no such file, LIMIT_EXCEEDED for a header or rank beyond the limits, DTYPE_MISMATCH for element types
 *   and orders that are not taken
 */
export function parseNpyHeader(head: Uint8Array, size: number): NpyHeader {
  if (head.length < 10 || String.fromCharCode(...head.subarray(0, 6)) !== MAGIC) throw bad("it does not begin as one");
  const major = head[6] as number;
  if (major < 1 || major > 3) throw bad(`its version is ${major}`);
  const start = major === 1 ? 10 : 12;
  if (head.length < start) throw bad("it ends before its header");
  const read = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const length = major === 1 ? read.getUint16(8, true) : read.getUint32(8, true);
  if (length > NPY_MAX_HEADER_BYTES)
    throw fail("LIMIT_EXCEEDED", `Cannot read the .npy file: its header has ${length} bytes, more than ${NPY_MAX_HEADER_BYTES}`);
  if (start + length > head.length) throw bad("it ends before its header does");
  const header = new TextDecoder("latin1").decode(head.subarray(start, start + length));
  const type = entryOf(header, "descr", `['"]([^'"]+)['"]`);
  const dtype = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (dtype === undefined)
    throw fail(
      "DTYPE_MISMATCH",
      `Cannot read the .npy file: its elements are ${type}, known are ${Object.keys(TYPES).join(", ")}`,
    );
  if (entryOf(header, "fortran_order", "(True|False)") === "True")
    throw fail("DTYPE_MISMATCH", "Cannot read the .npy file: it is in Fortran order", {
      hint: "Save numpy.ascontiguousarray(a) instead",
    });
  const shape = entryOf(header, "shape", "\\(([\\d,\\s]*)\\)")
    .split(",")
    .map((s) => s.trim())
    .filter((s) => s !== "")
    .map(Number);
  if (shape.length > NPY_MAX_RANK)
    throw fail("LIMIT_EXCEEDED", `Cannot read the .npy file: it has ${shape.length} axes, more than ${NPY_MAX_RANK}`);
  const count = countOf(shape);
  if (!Number.isSafeInteger(count)) throw bad(`its shape is [${shape}]`);
  const offset = start + length;
  if (size - offset !== byteLength(dtype, count))
    throw bad(`it holds ${size - offset} bytes of numbers, and ${type} of shape [${shape}] takes ${byteLength(dtype, count)}`);
  return { dtype, shape, offset };
}

/** Reads an array that numpy saved: see {@link parseNpyHeader}. The tensor shares memory with `bytes`. */
export function parseNpy(bytes: Uint8Array): Tensor {
  const { dtype, shape, offset } = parseNpyHeader(bytes, bytes.length);
  return { dtype, shape, bytes: bytes.subarray(offset) };
}
