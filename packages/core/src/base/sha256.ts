/** First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2), computed rather than listed. */
const ROUND_CONSTANTS = rootBits(64, Math.cbrt);
/** Of the square roots of the first 8 (FIPS 180-4, 5.3.3). */
const START = rootBits(8, Math.sqrt);

/** A SHA-256 (FIPS 180-4) fed piece by piece. `core` runs where neither Node's nor the browser's asynchronous digest is at hand. */
export interface Sha256 {
  add(bytes: Uint8Array): void;
  /** The digest as 64 hexadecimal digits; nothing may be added afterwards. */
  hex(): string;
}

/** A fresh digest. */
export function createSha256(): Sha256 {
  const state = Int32Array.from(START);
  const block = new Uint8Array(64);
  const words = new Int32Array(64);
  let filled = 0;
  let total = 0;
  const add = (bytes: Uint8Array): void => {
    total += bytes.length;
    let from = 0;
    while (from < bytes.length) {
      const count = Math.min(64 - filled, bytes.length - from);
      block.set(bytes.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled < 64) continue;
      compress(state, block, words);
      filled = 0;
    }
  };
  return {
    add,
    hex: () => {
      const bits = total * 8;
      const tail = new Uint8Array((filled < 56 ? 64 : 128) - filled);
      tail[0] = 0x80;
      const view = new DataView(tail.buffer);
      view.setUint32(tail.length - 8, Math.floor(bits / 2 ** 32));
      view.setUint32(tail.length - 4, bits >>> 0);
      add(tail);
      return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
    },
  };
}

/** The SHA-256 of bytes or of text in UTF-8, as 64 hexadecimal digits. */
export function sha256Hex(content: Uint8Array | string): string {
  const digest = createSha256();
  digest.add(typeof content === "string" ? new TextEncoder().encode(content) : content);
  return digest.hex();
}

function compress(state: Int32Array, block: Uint8Array, w: Int32Array): void {
  for (let t = 0; t < 16; t++) {
    const i = t * 4;
    w[t] =
      ((block[i] as number) << 24) |
      ((block[i + 1] as number) << 16) |
      ((block[i + 2] as number) << 8) |
      (block[i + 3] as number);
  }
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15] as number;
    const y = w[t - 2] as number;
    const s0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
    const s1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
    w[t] = ((w[t - 16] as number) + s0 + (w[t - 7] as number) + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < 64; t++) {
    const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const choice = (e & f) ^ (~e & g);
    const t1 = (h + s1 + choice + (ROUND_CONSTANTS[t] as number) + (w[t] as number)) | 0;
    const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + s0 + majority) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((value, i) => {
    state[i] = ((state[i] as number) + value) | 0;
  });
}

function turned(x: number, bits: number): number {
  return (x >>> bits) | (x << (32 - bits));
}

function rootBits(count: number, root: (x: number) => number): Int32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  return Int32Array.from(primes, (p) => {
    const value = root(p);
    return Math.floor((value - Math.floor(value)) * 2 ** 32) | 0;
  });
}
