import type { WindowShape } from "./front-end.ts";

/**
 * Window of `size` samples. With a(i) = 2 pi i / N: `hann` .5 - .5 cos a, `hamming` .54 - .46 cos a, both with N = size (periodic) or, `-symmetric`,
 * N = size - 1; `povey` the symmetric Hann window to the power .85 (Kaldi); `rectangular` ones.
 */
export function windowOf(shape: WindowShape, size: number): Float64Array {
  const window = new Float64Array(size).fill(1);
  if (shape === "rectangular") return window;
  const period = shape === "hann" || shape === "hamming" ? size : Math.max(1, size - 1);
  const low = shape.startsWith("hamming") ? 0.54 : 0.5;
  for (let i = 0; i < size; i++) {
    const value = low - (1 - low) * Math.cos((2 * Math.PI * i) / period);
    window[i] = shape === "povey" ? value ** 0.85 : value;
  }
  return window;
}
