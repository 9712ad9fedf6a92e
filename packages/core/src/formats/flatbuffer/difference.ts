import type { UnknownSlot } from "./table.ts";

/**
 * Where two decoded records first differ in content, like `subgraphs[0].tensors[3].shape`, or undefined if they do not. Typed arrays are
 * compared byte by byte, numbers as `Object.is` does; slots of a newer schema without the padding behind them.
 */
export function firstDifference(a: unknown, b: unknown): string | undefined {
  return differ(a, b, "");
}

function differ(a: unknown, b: unknown, path: string): string | undefined {
  if (Object.is(a, b)) return undefined;
  const here = path === "" ? "(root)" : path;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return here;
  if (ArrayBuffer.isView(a) || ArrayBuffer.isView(b)) return sameArray(a, b) ? undefined : here;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return here;
    return firstOf(a.keys(), (i) => differ(a[i], b[i], `${path}[${i}]`));
  }
  const left = a as Readonly<Record<string, unknown>>;
  const right = b as Readonly<Record<string, unknown>>;
  return firstOf(new Set([...Object.keys(a), ...Object.keys(b)]), (key) => {
    const inner = path === "" ? key : `${path}.${key}`;
    if (key === "unknown") return sameSlots(left[key], right[key]) ? undefined : inner;
    return differ(left[key], right[key], inner);
  });
}

function firstOf<K>(keys: Iterable<K>, look: (key: K) => string | undefined): string | undefined {
  for (const key of keys) {
    const found = look(key);
    if (found !== undefined) return found;
  }
  return undefined;
}

function sameArray(a: object, b: object): boolean {
  if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b)) return false;
  // A Buffer is a Uint8Array too.
  const kind = (view: ArrayBufferView): string => Object.prototype.toString.call(view);
  if (kind(a) !== kind(b) || a.byteLength !== b.byteLength) return false;
  const left = new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
  const right = new Uint8Array(b.buffer, b.byteOffset, b.byteLength);
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

function sameSlots(a: unknown, b: unknown): boolean {
  const left = (a ?? []) as readonly UnknownSlot[];
  const right = (b ?? []) as readonly UnknownSlot[];
  return left.length === right.length && left.every((slot, i) => sameSlot(slot, right[i] as UnknownSlot));
}

function sameSlot(a: UnknownSlot, b: UnknownSlot): boolean {
  // Whether a value may point elsewhere depends on where it stands, so it is not compared.
  if (a.slot !== b.slot) return false;
  for (let i = 0; i < Math.max(a.bytes.length, b.bytes.length); i++) if ((a.bytes[i] ?? 0) !== (b.bytes[i] ?? 0)) return false;
  return true;
}
