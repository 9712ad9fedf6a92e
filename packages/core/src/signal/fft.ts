import { invariant } from "../base/assert.ts";

/** A Fourier transform of real samples, prepared for one size. Not re-entrant: it owns its work space. */
export interface RealFft {
  /** Samples, even. */
  readonly size: number;
  /** size / 2 + 1: from 0 to half the sampling rate. */
  readonly bins: number;
  /** X[k] = sum over n of x[n] exp(-2 pi i k n / size), for k = 0..bins-1, into `re` and `im`. `x` is left as it is. */
  run(x: Float64Array, re: Float64Array, im: Float64Array): void;
}

/**
 * Prepares a real transform of any even size: a complex transform of half the size (Stockham's self-sorting form, one pass for each factor 4, 2,
 * 3, 5 ... of it), then the two halves told apart. Work is proportional to size times the sum of its prime factors.
 */
export function realFft(size: number): RealFft {
  invariant(Number.isInteger(size) && size >= 2 && size % 2 === 0, `a real transform of ${size} samples`);
  const half = size / 2;
  const complex = complexFft(half);
  const cos = new Float64Array(half + 1);
  const sin = new Float64Array(half + 1);
  for (let k = 0; k <= half; k++) {
    cos[k] = Math.cos((2 * Math.PI * k) / size);
    sin[k] = Math.sin((2 * Math.PI * k) / size);
  }
  const zr = new Float64Array(half);
  const zi = new Float64Array(half);
  return {
    size,
    bins: half + 1,
    run: (x, re, im) => {
      for (let i = 0; i < half; i++) {
        zr[i] = x[2 * i] as number;
        zi[i] = x[2 * i + 1] as number;
      }
      const [r, s] = complex(zr, zi);
      // Z[k] holds the transforms of even and odd samples at once: their sum and difference with the mirrored conjugate part them.
      for (let k = 0; k <= half; k++) {
        const a = k === half ? 0 : k;
        const b = k === 0 || k === half ? 0 : half - k;
        const evenRe = ((r[a] as number) + (r[b] as number)) / 2;
        const evenIm = ((s[a] as number) - (s[b] as number)) / 2;
        const oddRe = ((s[a] as number) + (s[b] as number)) / 2;
        const oddIm = ((r[b] as number) - (r[a] as number)) / 2;
        const c = cos[k] as number;
        const d = sin[k] as number;
        re[k] = evenRe + oddRe * c + oddIm * d;
        im[k] = evenIm + oddIm * c - oddRe * d;
      }
    },
  };
}

type Pair = readonly [re: Float64Array, im: Float64Array];

/** A complex transform of `n` points. Returns arrays of its own, valid until the next call; may overwrite what it is given. */
function complexFft(n: number): (re: Float64Array, im: Float64Array) => Pair {
  const factors = factorsOf(n);
  const cos = new Float64Array(n);
  const sin = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    cos[k] = Math.cos((2 * Math.PI * k) / n);
    sin[k] = -Math.sin((2 * Math.PI * k) / n);
  }
  const other: Pair = [new Float64Array(n), new Float64Array(n)];
  return (re, im) => {
    let from: Pair = [re, im];
    let to: Pair = other;
    let stride = 1;
    for (const radix of factors) {
      const pass = { n, radix, stride, cos, sin };
      if (radix === 2) passTwo(from, to, pass);
      else if (radix === 4) passFour(from, to, pass);
      else passAny(from, to, pass);
      stride *= radix;
      [from, to] = [to, from];
    }
    return from;
  };
}

interface Pass {
  readonly n: number;
  readonly radix: number;
  /** Product of the radices of earlier passes. */
  readonly stride: number;
  /** exp(-2 pi i k / n) for k = 0..n-1. */
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/** Of each pass: y[q + s (r k' + j)] = (sum over i of x[q + s (k' + m i)] w^(i j n / r)) w^(s k' j), with m = n / (s r) and w = exp(-2 pi i / n). */
function passAny([xr, xi]: Pair, [yr, yi]: Pair, { n, radix, stride, cos, sin }: Pass): void {
  const m = n / (stride * radix);
  const root = n / radix;
  for (let k = 0; k < m; k++) {
    for (let j = 0; j < radix; j++) {
      const turn = stride * k * j;
      const c = cos[turn] as number;
      const d = sin[turn] as number;
      for (let q = 0; q < stride; q++) {
        let re = 0;
        let im = 0;
        for (let i = 0; i < radix; i++) {
          const w = ((i * j) % radix) * root;
          const a = xr[q + stride * (k + m * i)] as number;
          const b = xi[q + stride * (k + m * i)] as number;
          re += a * (cos[w] as number) - b * (sin[w] as number);
          im += a * (sin[w] as number) + b * (cos[w] as number);
        }
        const out = q + stride * (radix * k + j);
        yr[out] = re * c - im * d;
        yi[out] = re * d + im * c;
      }
    }
  }
}

function passTwo([xr, xi]: Pair, [yr, yi]: Pair, { n, stride, cos, sin }: Pass): void {
  const m = n / (stride * 2);
  for (let k = 0; k < m; k++) {
    const c = cos[stride * k] as number;
    const d = sin[stride * k] as number;
    for (let q = 0; q < stride; q++) {
      const a = q + stride * k;
      const b = a + stride * m;
      const out = q + stride * 2 * k;
      const re = (xr[a] as number) - (xr[b] as number);
      const im = (xi[a] as number) - (xi[b] as number);
      yr[out] = (xr[a] as number) + (xr[b] as number);
      yi[out] = (xi[a] as number) + (xi[b] as number);
      yr[out + stride] = re * c - im * d;
      yi[out + stride] = re * d + im * c;
    }
  }
}

function passFour([xr, xi]: Pair, [yr, yi]: Pair, { n, stride, cos, sin }: Pass): void {
  const m = n / (stride * 4);
  const step = stride * m;
  for (let k = 0; k < m; k++) {
    const t = stride * k;
    for (let q = 0; q < stride; q++) {
      const at = q + stride * k;
      const ar = xr[at] as number;
      const ai = xi[at] as number;
      const br = xr[at + step] as number;
      const bi = xi[at + step] as number;
      const cr = xr[at + 2 * step] as number;
      const ci = xi[at + 2 * step] as number;
      const dr = xr[at + 3 * step] as number;
      const di = xi[at + 3 * step] as number;
      const out = q + stride * 4 * k;
      yr[out] = ar + cr + (br + dr);
      yi[out] = ai + ci + (bi + di);
      turn(yr, yi, { out: out + stride, re: ar - cr + (bi - di), im: ai - ci - (br - dr), c: cos[t], d: sin[t] });
      turn(yr, yi, { out: out + 2 * stride, re: ar + cr - (br + dr), im: ai + ci - (bi + di), c: cos[2 * t], d: sin[2 * t] });
      turn(yr, yi, { out: out + 3 * stride, re: ar - cr - (bi - di), im: ai - ci + (br - dr), c: cos[3 * t], d: sin[3 * t] });
    }
  }
}

function turn(
  yr: Float64Array,
  yi: Float64Array,
  v: {
    readonly out: number;
    readonly re: number;
    readonly im: number;
    readonly c: number | undefined;
    readonly d: number | undefined;
  },
): void {
  const c = v.c as number;
  const d = v.d as number;
  yr[v.out] = v.re * c - v.im * d;
  yi[v.out] = v.re * d + v.im * c;
}

/** Prime factors, twos taken in pairs as far as they go. */
function factorsOf(n: number): readonly number[] {
  const factors: number[] = [];
  let rest = n;
  for (let p = 4; rest > 1; ) {
    if (rest % p === 0) {
      factors.push(p);
      rest /= p;
    } else if (p === 4) p = 2;
    else if (p === 2) p = 3;
    else p = p * p > rest ? rest : p + 2;
  }
  return factors;
}
