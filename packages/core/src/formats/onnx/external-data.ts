import { fail } from "../../base/error.ts";
import { DATA_LOCATIONS } from "./data-type.ts";
import type { StringStringEntryProto, TensorProto } from "./records.ts";

/** Where the bytes of a tensor are when they are not in the model's own file. */
export interface ExternalData {
  /** Path of the data file relative to the model's folder: segments joined by `/`, inside the folder, no `.` or `..` among them. */
  readonly location: string;
  /** First byte in that file. */
  readonly offset: number;
  /** Number of bytes; up to the end of the file if absent. */
  readonly length?: number;
  /** SHA-1 of the data file in hexadecimal, where the exporter gave one. */
  readonly checksum?: string;
}

/** Finds a data file by its checked {@link ExternalData.location} (a path: encode it before making a URL of it); undefined if there is none. */
export type ExternalDataResolver = (location: string) => Uint8Array | undefined;

/** Longest location accepted, in UTF-16 units: the longest path of Linux. */
const MAX_LOCATION_LENGTH = 4096;

/** Whether a tensor says that its data is in another file. */
export function hasExternalData(tensor: TensorProto): boolean {
  return tensor.dataLocation === DATA_LOCATIONS.EXTERNAL;
}

/**
 * Reads where a tensor's data is. Keys that are not known are passed over; a key that occurs twice is refused, because readers disagree
 * on which one counts.
 *
 * @throws EXTERNAL_DATA if the location could lead out of the model's folder or a number is not a plain decimal integer
 */
export function parseExternalData(tensor: TensorProto): ExternalData {
  const place = placeOf(tensor);
  const values = new Map<string, string>();
  for (const { key = "", value = "" } of tensor.externalData ?? []) {
    if (values.has(key)) throw refuse(tensor, `the key ${quote(key)} occurs twice`);
    values.set(key, value);
  }
  const location = values.get("location");
  if (location === undefined) throw fail("EXTERNAL_DATA", "Cannot locate the data of a tensor: it names no file", { at: place });
  const offset = parseSize(tensor, values, "offset") ?? 0;
  const length = parseSize(tensor, values, "length");
  const checksum = values.get("checksum");
  return {
    location: checkLocation(tensor, location),
    offset,
    ...(length === undefined ? {} : { length }),
    ...(checksum === undefined ? {} : { checksum }),
  };
}

/**
 * The bytes of a tensor that are in another file, as a view of what `resolve` returns.
 *
 * @throws EXTERNAL_DATA if the location is refused, the file is not there, or the bytes would lie outside of it
 */
export function resolveExternalData(tensor: TensorProto, resolve: ExternalDataResolver): Uint8Array {
  const { location, offset, length } = parseExternalData(tensor);
  const file = resolve(location);
  if (file === undefined) throw refuse(tensor, `there is no file ${quote(location)}`);
  const end = offset + (length ?? file.length - offset);
  if (offset > file.length || end > file.length) {
    throw refuse(tensor, `bytes ${offset} to ${end} are asked for and ${quote(location)} has ${file.length}`);
  }
  return file.subarray(offset, end);
}

/** The entries that say so in a tensor record; the counterpart of {@link parseExternalData}. */
export function externalDataEntries(data: ExternalData): StringStringEntryProto[] {
  const entries: StringStringEntryProto[] = [
    { key: "location", value: data.location },
    { key: "offset", value: String(data.offset) },
  ];
  if (data.length !== undefined) entries.push({ key: "length", value: String(data.length) });
  if (data.checksum !== undefined) entries.push({ key: "checksum", value: data.checksum });
  return entries;
}

function parseSize(tensor: TensorProto, values: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = values.get(key);
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw refuse(tensor, `${key} is ${quote(text)}, not a number of bytes`);
  return value;
}

/** Control characters, and lone surrogates: a path that is not text means different files to different systems. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NOT_A_PATH = /[\u0000-\u001f\u007f]|\p{Surrogate}/u;

/**
 * Checks a location. A model is refused, not mended, if it points anywhere but into its own folder on any system: Windows reads `\` as a
 * separator, `C:` as a drive, and drops dots and spaces at the end of a name, so that `.. ` is `..` there. Other colons stay legal: exporters
 * name files after tensors, as in `onnx::MatMul_12`.
 */
function checkLocation(tensor: TensorProto, location: string): string {
  if (location.length > MAX_LOCATION_LENGTH) throw refuse(tensor, `its path has ${location.length} characters`);
  if (NOT_A_PATH.test(location)) throw refuse(tensor, `the path ${quote(location)} holds characters that are not text`);
  if (location.includes("\\")) throw refuse(tensor, `the path ${quote(location)} holds a backslash`);
  const segments = location.split("/").filter((segment) => segment !== "" && segment !== ".");
  const path = segments.join("/");
  // On what is left, too: `./C:` is a drive once it is tidied.
  if (location.startsWith("/") || [location, path].some(isAnchored))
    throw refuse(tensor, `the path ${quote(location)} is absolute`);
  if (path === "") throw refuse(tensor, `the path ${quote(location)} names no file`);
  for (const segment of segments) {
    if (/^[. ]+$/.test(segment)) throw refuse(tensor, `the path ${quote(location)} leads out of the model's folder`);
  }
  return path;
}

/** Whether a path begins with a drive or is a URL with a path of its own. */
function isAnchored(path: string): boolean {
  return /^[A-Za-z]:|^[\w+.-]+:\//.test(path);
}

function refuse(tensor: TensorProto, why: string): Error {
  return fail("EXTERNAL_DATA", `Cannot take the data of a tensor from another file: ${why}`, { at: placeOf(tensor) });
}

function placeOf(tensor: TensorProto): { tensor?: string } {
  return tensor.name === undefined ? {} : { tensor: tensor.name };
}

function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}
