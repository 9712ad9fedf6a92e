import { scalar, string, vector } from "../flatbuffer/table.ts";

/*
 * The field types that the TFLite schema uses again and again, under short names so that a table reads like its line in the schema.
 */

/** A flag, false unless the file says otherwise. */
export const BOOL = scalar("bool");
/** A code of one of the small enums in enums.ts. */
export const CODE = scalar("int8");
/** An integer: a size, an axis, an index. */
export const INT = scalar("int32");
/** An index into a list of the model, or a count. */
export const INDEX = scalar("uint32");
/** A wide integer. */
export const LONG = scalar("int64");
/** A position or size in the file. */
export const ULONG = scalar("uint64");
/** A single-precision number. */
export const FLOAT = scalar("float32");
/** Text. */
export const TEXT = string();
/** A list of integers. */
export const INTS = vector("int32");
/** A list of wide integers. */
export const LONGS = vector("int64");
/** A list of single-precision numbers. */
export const FLOATS = vector("float32");
/** Flags or opaque bytes, a view of the file. */
export const BYTES = vector("uint8");
/** A list of flags, a byte each, a view of the file. */
export const BOOLS = vector("bool");
