import { invariant } from "../base/assert.ts";

/** A Fourier transform of 16-bit samples in 16-bit arithmetic, prepared for one size. Not re-entrant. */
export interface FixedFft {
  readonly size: number;
  readonly bins: number;
  /** X[k] / size for k = 0..bins-1 of samples within -32768..32767, rounded at every step. */
  run(x: Int32Array, re: Int32Array, im: Int32Array): void;
}

/** Rounds a product with a Q15 number to its integer part. */
function rounded(product: number): number {
  return (product + 16_384) >> 15;
}

const QUARTER = 8191;
const HALF = 16_383;

/**
 * The 16-bit transform of kissfft (FIXED_POINT=16), for powers of two: every pass divides by its radix (multiplying by floor(32767 / radix) in Q15)
 * before it turns, twiddles are round(32767 cos), products are rounded once. The arithmetic is what counts here: features of integer front
 * ends are only reproduced by the very same rounding.
 */
export function fixedFft(size: number): FixedFft {
  const half = size / 2;
  invariant(Number.isInteger(Math.log2(half)) && half >= 2, `a 16-bit transform of ${size} samples`);
  const cos = new Int32Array(half);
  const sin = new Int32Array(half);
  const superCos = new Int32Array(half / 2 + 1);
  const superSin = new Int32Array(half / 2 + 1);
  for (let k = 0; k < half; k++) {
    const phase = (-2 * Math.PI * k) / half;
    cos[k] = Math.floor(0.5 + 32_767 * Math.cos(phase));
    sin[k] = Math.floor(0.5 + 32_767 * Math.sin(phase));
  }
  for (let k = 1; k <= half / 2; k++) {
    const phase = -Math.PI * (k / half + 0.5);
    superCos[k] = Math.floor(0.5 + 32_767 * Math.cos(phase));
    superSin[k] = Math.floor(0.5 + 32_767 * Math.sin(phase));
  }
  const order = digitReversed(half);
  const zr = new Int32Array(half);
  const zi = new Int32Array(half);
  return {
    size,
    bins: half + 1,
    run: (x, re, im) => {
      for (let i = 0; i < half; i++) {
        const from = order[i] as number;
        zr[i] = x[2 * from] as number;
        zi[i] = x[2 * from + 1] as number;
      }
      // The innermost pass is the one of radix 2, where the size is no power of four.
      let m = 1;
      if (Math.log2(half) % 2 === 1) {
        passTwo(zr, zi);
        m = 2;
      }
      for (; m < half; m *= 4) passFour(zr, zi, { m, cos, sin });
      const dcRe = rounded((zr[0] as number) * HALF);
      const dcIm = rounded((zi[0] as number) * HALF);
      re[0] = dcRe + dcIm;
      im[0] = 0;
      re[half] = dcRe - dcIm;
      im[half] = 0;
      for (let k = 1; k <= half / 2; k++) {
        const ar = rounded((zr[k] as number) * HALF);
        const ai = rounded((zi[k] as number) * HALF);
        const br = rounded((zr[half - k] as number) * HALF);
        const bi = rounded(-(zi[half - k] as number) * HALF);
        const c = superCos[k] as number;
        const d = superSin[k] as number;
        const twRe = rounded((ar - br) * c - (ai - bi) * d);
        const twIm = rounded((ar - br) * d + (ai - bi) * c);
        re[k] = (ar + br + twRe) >> 1;
        im[k] = (ai + bi + twIm) >> 1;
        re[half - k] = (ar + br - twRe) >> 1;
        im[half - k] = (twIm - (ai + bi)) >> 1;
      }
    },
  };
}

/** Where each sample of the first pass comes from: radix 4 from the outside, radix 2 innermost where needed. */
function digitReversed(n: number): Int32Array {
  const order = new Int32Array(n);
  const fill = (at: number, size: number, from: number, stride: number): void => {
    if (size === 1) {
      order[at] = from;
      return;
    }
    const radix = size % 4 === 0 ? 4 : 2;
    for (let i = 0; i < radix; i++) fill(at + (i * size) / radix, size / radix, from + i * stride, stride * radix);
  };
  fill(0, n, 0, 1);
  return order;
}

function passTwo(zr: Int32Array, zi: Int32Array): void {
  for (let at = 0; at < zr.length; at += 2) {
    const ar = rounded((zr[at] as number) * HALF);
    const ai = rounded((zi[at] as number) * HALF);
    // The twiddle is 1, which in Q15 is 32767: the product is rounded all the same.
    const br = rounded(rounded((zr[at + 1] as number) * HALF) * 32_767);
    const bi = rounded(rounded((zi[at + 1] as number) * HALF) * 32_767);
    zr[at + 1] = ar - br;
    zi[at + 1] = ai - bi;
    zr[at] = ar + br;
    zi[at] = ai + bi;
  }
}

function passFour(
  zr: Int32Array,
  zi: Int32Array,
  { m, cos, sin }: { readonly m: number; readonly cos: Int32Array; readonly sin: Int32Array },
): void {
  const n = zr.length;
  const stride = n / (4 * m);
  for (let block = 0; block < n; block += 4 * m) {
    for (let k = 0; k < m; k++) {
      const at = block + k;
      const [i1, i2, i3] = [at + m, at + 2 * m, at + 3 * m];
      const ar = rounded((zr[at] as number) * QUARTER);
      const ai = rounded((zi[at] as number) * QUARTER);
      let [c, d] = [cos[k * stride] as number, sin[k * stride] as number];
      let [xr, xi] = [rounded((zr[i1] as number) * QUARTER), rounded((zi[i1] as number) * QUARTER)];
      const br = rounded(xr * c - xi * d);
      const bi = rounded(xr * d + xi * c);
      [c, d] = [cos[2 * k * stride] as number, sin[2 * k * stride] as number];
      [xr, xi] = [rounded((zr[i2] as number) * QUARTER), rounded((zi[i2] as number) * QUARTER)];
      const cr = rounded(xr * c - xi * d);
      const ci = rounded(xr * d + xi * c);
      [c, d] = [cos[3 * k * stride] as number, sin[3 * k * stride] as number];
      [xr, xi] = [rounded((zr[i3] as number) * QUARTER), rounded((zi[i3] as number) * QUARTER)];
      const dr = rounded(xr * c - xi * d);
      const di = rounded(xr * d + xi * c);
      zr[at] = ar + cr + (br + dr);
      zi[at] = ai + ci + (bi + di);
      zr[i2] = ar + cr - (br + dr);
      zi[i2] = ai + ci - (bi + di);
      zr[i1] = ar - cr + (bi - di);
      zi[i1] = ai - ci - (br - dr);
      zr[i3] = ar - cr - (bi - di);
      zi[i3] = ai - ci + (br - dr);
    }
  }
}
