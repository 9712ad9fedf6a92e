import { inflateRawSync } from "node:zlib";
import type { Tensor } from "@tessera/core/graph/tensor";
import { parseNpy } from "../../packages/cli/src/io/npy.ts";

/** The arrays of an .npz archive by name: stored or deflated entries, found by its central directory. */
export function readNpz(bytes: Uint8Array): ReadonlyMap<string, Tensor> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("not a zip archive");
  const arrays = new Map<string, Tensor>();
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const method = view.getUint16(at + 10, true);
    const size = view.getUint32(at + 20, true);
    const [name, extra, comment] = [28, 30, 32].map((o) => view.getUint16(at + o, true)) as [number, number, number];
    const local = view.getUint32(at + 42, true);
    const title = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name));
    const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const packed = bytes.slice(from, from + size);
    arrays.set(title.replace(/\.npy$/, ""), parseNpy(method === 0 ? packed : new Uint8Array(inflateRawSync(packed))));
    at += 46 + name + extra + comment;
  }
  return arrays;
}
