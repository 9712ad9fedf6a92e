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

/**
 * Reads an array that numpy saved (format versions 1 to 3): little-endian numbers in C order. The tensor shares memory with `bytes`.
 *
 * @throws MALFORMED when the bytes are no such file, LIMIT_EXCEEDED for a header or rank beyond the limits, DTYPE_MISMATCH for element types
 *   and orders that are not taken
 */
export function parseNpy(bytes: Uint8Array): Tensor {
  if (bytes.length < 10 || String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) throw bad("it does not begin as one");
  const major = bytes[6] as number;
  if (major < 1 || major > 3) throw bad(`its version is ${major}`);
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) throw bad("it ends before its header");
  const read = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = major === 1 ? read.getUint16(8, true) : read.getUint32(8, true);
  if (length > NPY_MAX_HEADER_BYTES)
    throw fail("LIMIT_EXCEEDED", `Cannot read the .npy file: its header has ${length} bytes, more than ${NPY_MAX_HEADER_BYTES}`);
  if (start + length > bytes.length) throw bad("it ends before its header does");
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
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
  const data = bytes.subarray(start + length);
  if (data.length !== byteLength(dtype, count))
    throw bad(`it holds ${data.length} bytes of numbers, and ${type} of shape [${shape}] takes ${byteLength(dtype, count)}`);
  return { dtype, shape, bytes: data };
}
