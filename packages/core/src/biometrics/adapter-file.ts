import { fail } from "../base/error.ts";
import { sha256Hex } from "../base/sha256.ts";
import { ADAPTER_KINDS, type SpaceAdapter } from "./adapter.ts";

/** An adapter with the names of the two spaces that it leads from and to, as a file holds it. */
export interface AdapterFile {
  readonly adapter: SpaceAdapter;
  /** Embedding-space id of the templates it takes. */
  readonly fromSpace: string;
  /** Of those it gives. */
  readonly toSpace: string;
  /** How many samples it was fitted to. */
  readonly samples: number;
  /** SHA-256 of the data they came from. */
  readonly dataSha256: string;
}

/** Largest dimension that is read. */
export const MAX_ADAPTER_DIMENSION = 4096;
/** Longest embedding-space id that is read, bytes. */
const MAX_ID_BYTES = 512;
const MAGIC = "TSAD";
const VERSION = 1;
/** Magic, version, kind, bias flag, dimensions, samples, lengths of the ids. */
const HEAD_BYTES = 24;
const DIGEST_BYTES = 32;

/**
 * The bytes of an adapter file, little-endian throughout:
 *
 * | at | | |
 * |---|---|---|
 * | 0 | 4 letters | `TSAD` |
 * | 4 | u16 | version, 1 |
 * | 6 | u8 | kind: 0 orthogonal, 1 affine |
 * | 7 | u8 | 1 when a bias follows the weights |
 * | 8 | u32 | dimension of the space it leads from |
 * | 12 | u32 | of the space it leads to |
 * | 16 | u32 | samples it was fitted to |
 * | 20 | u16, u16 | bytes of the two space ids |
 * | 24 | | the ids in UTF-8, the 32 bytes of the data's SHA-256, zeros up to a multiple of four |
 * | | f32 | weights [to, from], bias [to] |
 * | last 32 | | SHA-256 of everything before |
 *
 * @throws LIMIT_EXCEEDED for dimensions or ids that {@link readAdapter} would refuse.
 */
export function writeAdapter(file: AdapterFile): Uint8Array<ArrayBuffer> {
  const { adapter, samples } = file;
  const ids = [file.fromSpace, file.toSpace].map((id) => new TextEncoder().encode(id));
  const [fromId = new Uint8Array(), toId = new Uint8Array()] = ids;
  for (const id of ids)
    if (id.length === 0 || id.length > MAX_ID_BYTES)
      throw fail(
        "LIMIT_EXCEEDED",
        `Cannot write the adapter: an embedding-space id of ${id.length} bytes, not 1..${MAX_ID_BYTES}`,
      );
  for (const dimension of [adapter.from, adapter.to]) requireDimension(dimension, "write");
  const { weights, bias = new Float32Array() } = adapter;
  const start = numbersAt(fromId.length + toId.length);
  const bytes = new Uint8Array(start + (weights.length + bias.length) * 4 + DIGEST_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint16(4, VERSION, true);
  view.setUint8(6, ADAPTER_KINDS.indexOf(adapter.kind));
  view.setUint8(7, adapter.bias === undefined ? 0 : 1);
  view.setUint32(8, adapter.from, true);
  view.setUint32(12, adapter.to, true);
  view.setUint32(16, samples, true);
  view.setUint16(20, fromId.length, true);
  view.setUint16(22, toId.length, true);
  bytes.set(fromId, HEAD_BYTES);
  bytes.set(toId, HEAD_BYTES + fromId.length);
  bytes.set(fromHex(file.dataSha256), HEAD_BYTES + fromId.length + toId.length);
  for (const [values, at] of [[weights, start] as const, [bias, start + weights.length * 4] as const])
    values.forEach((value, k) => {
      view.setFloat32(at + k * 4, value, true);
    });
  bytes.set(fromHex(sha256Hex(bytes.subarray(0, -DIGEST_BYTES))), bytes.length - DIGEST_BYTES);
  return bytes;
}

/**
 * Reads an adapter file from anywhere: sizes are checked before anything is made of them, the digest before anything is believed.
 *
 * @throws MALFORMED, TRUNCATED, LIMIT_EXCEEDED, INTEGRITY
 */
export function readAdapter(bytes: Uint8Array): AdapterFile {
  if (bytes.length < HEAD_BYTES) throw fail("TRUNCATED", `Cannot read the adapter: ${bytes.length} bytes are no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (latin(bytes.subarray(0, 4)) !== MAGIC) throw malformed("it does not start as one");
  const version = view.getUint16(4, true);
  if (version !== VERSION) throw malformed(`it has version ${version}, this reader knows ${VERSION}`);
  const kind = ADAPTER_KINDS[view.getUint8(6)];
  if (kind === undefined) throw malformed(`kind ${view.getUint8(6)} is unknown`);
  const biased = view.getUint8(7);
  if (biased !== (kind === "affine" ? 1 : 0)) throw malformed(`a bias flag of ${biased} does not go with ${kind}`);
  const from = requireDimension(view.getUint32(8, true), "read");
  const to = requireDimension(view.getUint32(12, true), "read");
  const lengths = [view.getUint16(20, true), view.getUint16(22, true)] as const;
  for (const length of lengths)
    if (length === 0 || length > MAX_ID_BYTES)
      throw fail("LIMIT_EXCEEDED", `Cannot read the adapter: an embedding-space id of ${length} bytes, not 1..${MAX_ID_BYTES}`);
  const count = from * to + biased * to;
  const idBytes = lengths[0] + lengths[1];
  const start = numbersAt(idBytes);
  const size = start + count * 4 + DIGEST_BYTES;
  if (bytes.length < size) throw fail("TRUNCATED", `Cannot read the adapter: ${bytes.length} bytes of ${size}`);
  if (bytes.length > size) throw malformed(`${bytes.length - size} bytes follow its end`);
  if (sha256Hex(bytes.subarray(0, -DIGEST_BYTES)) !== toHex(bytes.subarray(-DIGEST_BYTES)))
    throw fail("INTEGRITY", "Cannot use the adapter: its content does not have the digest at its end", {
      hint: "Copy the file again from where it was made",
    });
  const values = new Float32Array(count);
  for (let k = 0; k < count; k++) {
    const value = view.getFloat32(start + k * 4, true);
    if (!Number.isFinite(value)) throw malformed(`number ${k} is ${value}`);
    values[k] = value;
  }
  const adapter: SpaceAdapter = {
    kind,
    from,
    to,
    weights: values.slice(0, from * to),
    ...(biased === 1 ? { bias: values.slice(from * to) } : {}),
  };
  return {
    adapter,
    fromSpace: textOf(bytes.subarray(HEAD_BYTES, HEAD_BYTES + lengths[0])),
    toSpace: textOf(bytes.subarray(HEAD_BYTES + lengths[0], HEAD_BYTES + idBytes)),
    samples: view.getUint32(16, true),
    dataSha256: toHex(bytes.subarray(HEAD_BYTES + idBytes, HEAD_BYTES + idBytes + DIGEST_BYTES)),
  };
}

/** Bytes of an adapter's numbers; a file has some 200 more. */
export function adapterBytes({ weights, bias }: SpaceAdapter): number {
  return 4 * (weights.length + (bias?.length ?? 0));
}

/** Where the numbers start. */
function numbersAt(idBytes: number): number {
  return Math.ceil((HEAD_BYTES + idBytes + DIGEST_BYTES) / 4) * 4;
}

function requireDimension(dimension: number, what: "read" | "write"): number {
  if (dimension < 1 || dimension > MAX_ADAPTER_DIMENSION)
    throw fail("LIMIT_EXCEEDED", `Cannot ${what} the adapter: dimension ${dimension}, not 1..${MAX_ADAPTER_DIMENSION}`);
  return dimension;
}

function malformed(why: string) {
  return fail("MALFORMED", `Cannot read the adapter: ${why}`);
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw fail("MALFORMED", "Cannot read the adapter: an embedding-space id is not UTF-8", { cause });
  }
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
