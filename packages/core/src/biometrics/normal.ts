/** Density of the standard normal. */
function density(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/**
 * P(X > x) of the standard normal, to about 14 digits: the power series of the distribution function (Abramowitz & Stegun 26.2.11) near
 * zero and the continued fraction of its tail (26.2.14) beyond.
 */
export function upperTail(x: number): number {
  if (x < 0) return 1 - upperTail(-x);
  if (x < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 3; term > 1e-17 * sum && n < 400; n += 2) {
      term *= (x * x) / n;
      sum += term;
    }
    return 0.5 - density(x) * sum;
  }
  let fraction = 0;
  for (let n = 120; n >= 1; n--) fraction = n / (x + fraction);
  return density(x) / (x + fraction);
}

/**
 * The p-quantile of the standard normal: the scale of DET axes. 0 gives -Infinity, 1 gives Infinity. Starts from the rational
 * approximation 26.2.23 of Abramowitz & Stegun and polishes it with Halley's method.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { probit } from "@tessera/core/biometrics/normal";
 *
 * assert.ok(Math.abs(probit(0.975) - 1.959963984540054) < 1e-12);
 * ```
 */
export function probit(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  if (p >= 1) return Number.POSITIVE_INFINITY;
  if (p > 0.5) return -probit(1 - p);
  const t = Math.sqrt(-2 * Math.log(p));
  let x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (let step = 0; step < 3; step++) {
    const newton = (upperTail(x) - p) / density(x);
    x += newton / (1 - (x * newton) / 2);
  }
  return -x;
}
