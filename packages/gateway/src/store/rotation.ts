import { createCipheriv } from "node:crypto";

/**
 * A secret orthonormal map of vectors: rounds of random signs, a random permutation and a fast Walsh-Hadamard transform, all drawn from a key.
 * It keeps lengths and cosines; without the key its image tells nothing but the length, and images under different keys cannot be linked.
 * With the key it can be undone: it hides and renews, it is no one-way function.
 */
export interface Rotation {
  readonly dimension: number;
  /** `between` parts the two transforms of a round, which would all but undo each other; unused where one reaches everything. */
  readonly rounds: readonly { readonly signs: Float64Array; readonly order: Uint32Array; readonly between: Float64Array }[];
}

const ROUNDS = 3;

/** The map that belongs to a key of 32 bytes. */
export function keyedRotation(key: Uint8Array, dimension: number): Rotation {
  const draw = keyStream(key, dimension);
  const reaches = powerBelow(dimension) === dimension;
  const rounds = Array.from({ length: ROUNDS }, () => {
    const signs = Float64Array.from({ length: dimension }, () => 1 - 2 * draw(2));
    const between = Float64Array.from({ length: reaches ? 0 : dimension }, () => 1 - 2 * draw(2));
    const order = Uint32Array.from({ length: dimension }, (_, i) => i);
    for (let i = dimension - 1; i > 0; i--) {
      const j = draw(i + 1);
      const other = order[j] ?? 0;
      order[j] = order[i] ?? 0;
      order[i] = other;
    }
    return { signs, order, between };
  });
  return { dimension, rounds };
}

/** f32[dimension] to its image, f32[dimension]. Computed in double precision. */
export function rotate(rotation: Rotation, vector: Float32Array): Float32Array {
  const n = rotation.dimension;
  let from = Float64Array.from(vector);
  let to = new Float64Array(n);
  for (const { signs, order, between } of rotation.rounds) {
    for (let i = 0; i < n; i++) {
      const source = order[i] ?? 0;
      to[i] = (from[source] ?? 0) * (signs[source] ?? 0);
    }
    mix(to);
    mixTail(to, between);
    [from, to] = [to, from];
  }
  return Float32Array.from(from);
}

/** The vector whose image is given. */
export function rotateBack(rotation: Rotation, image: Float32Array): Float32Array {
  const n = rotation.dimension;
  let from = Float64Array.from(image);
  let to = new Float64Array(n);
  for (const { signs, order, between } of rotation.rounds.toReversed()) {
    unmixTail(from, between);
    mix(from);
    for (let i = 0; i < n; i++) {
      const target = order[i] ?? 0;
      to[target] = (from[i] ?? 0) * (signs[target] ?? 0);
    }
    [from, to] = [to, from];
  }
  return Float32Array.from(from);
}

/** Walsh-Hadamard over the longest power of two from the front; its own inverse. */
function mix(values: Float64Array): void {
  hadamard(values, 0, powerBelow(values.length));
}

/** Signs, then the same from the back, where the length is no power of two, so that no element stays out. */
function mixTail(values: Float64Array, signs: Float64Array): void {
  const size = powerBelow(values.length);
  if (size === values.length) return;
  for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * (signs[i] ?? 0);
  hadamard(values, values.length - size, size);
}

function unmixTail(values: Float64Array, signs: Float64Array): void {
  const size = powerBelow(values.length);
  if (size === values.length) return;
  hadamard(values, values.length - size, size);
  for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * (signs[i] ?? 0);
}

function powerBelow(length: number): number {
  return 2 ** Math.floor(Math.log2(length));
}

function hadamard(values: Float64Array, start: number, size: number): void {
  for (let half = 1; half < size; half *= 2) {
    for (let block = start; block < start + size; block += 2 * half) {
      for (let i = block; i < block + half; i++) {
        const a = values[i] ?? 0;
        const b = values[i + half] ?? 0;
        values[i] = a + b;
        values[i + half] = a - b;
      }
    }
  }
  const scale = 1 / Math.sqrt(size);
  for (let i = start; i < start + size; i++) values[i] = (values[i] ?? 0) * scale;
}

/** Uniform integers below a bound, from AES-256-CTR under the key; by rejection, so that none is likelier. */
function keyStream(key: Uint8Array, dimension: number): (below: number) => number {
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(4 * Math.max(64, 8 * dimension));
  let words: Uint32Array = new Uint32Array(0);
  let at = 0;
  return (below) => {
    for (;;) {
      if (at === words.length) {
        const bytes = cipher.update(zeros);
        words = new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
        at = 0;
      }
      // Lemire's multiplication: the high half of word * below, but for the few low halves that would make some numbers likelier. Exact in doubles.
      const product = (words[at++] ?? 0) * below;
      const high = Math.floor(product / 4294967296);
      const low = product - high * 4294967296;
      if (low >= below || low >= 4294967296 % below) return high;
    }
  };
}
