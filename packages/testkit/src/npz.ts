import { inflateRawSync } from "node:zlib";

/** An array of an .npz archive. */
export interface NpzArray {
  readonly shape: readonly number[];
  readonly values: Float64Array;
}

/** The arrays of an .npz archive by name: stored or deflated entries, found by its central directory; float64 and int64 in C order. */
export function readNpz(bytes: Uint8Array): ReadonlyMap<string, NpzArray> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("not a zip archive");
  const arrays = new Map<string, NpzArray>();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const [name, extra, comment] = [28, 30, 32].map((o) => view.getUint16(at + o, true)) as [number, number, number];
    const local = view.getUint32(at + 42, true);
    const title = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name));
    const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packed = bytes.slice(from, from + size);
    arrays.set(title.replace(/\.npy$/, ""), readNpy(method === 0 ? packed : new Uint8Array(inflateRawSync(packed))));
    at += 46 + name + extra + comment;
  }
  return arrays;
}

function readNpy(bytes: Uint8Array): NpzArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = new TextDecoder().decode(bytes.subarray(wide, wide + length));
  const match = /'descr': '(<f8|<i8)', 'fortran_order': False, 'shape': \(([^)]*)\)/.exec(header);
  if (match === null) throw new Error(`neither float64 nor int64 in C order: ${header}`);
  const shape = (match[2] ?? "")
    .split(",")
    .filter((size) => size.trim() !== "")
    .map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  const from = wide + length;
  const values = Float64Array.from({ length: count }, (_, i) =>
    match[1] === "<f8" ? view.getFloat64(from + 8 * i, true) : Number(view.getBigInt64(from + 8 * i, true)),
  );
  return { shape, values };
}
