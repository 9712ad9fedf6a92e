import { fail } from "../base/error.ts";
import type { Interval } from "./rates.ts";

/** ln Gamma(x) for x > 0: Stirling's series with the argument raised to 12 or more. */
export function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  while (z < 12) shift -= Math.log(z++);
  const inverse = 1 / (z * z);
  const series =
    1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse * (1 / 1188 - (inverse * 691) / 360360))));
  return shift + (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series / z;
}

/**
 * The regularised incomplete beta function I_x(a, b): continued fraction (DLMF 8.17.22) by the modified Lentz method, mirrored where it
 * would converge slowly.
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  if (x > (a + 1) / (a + b + 2)) return 1 - (front * betaFraction(1 - x, b, a)) / b;
  return (front * betaFraction(x, a, b)) / a;
}

function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let value = d;
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + even * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + even / c;
    if (Math.abs(c) < tiny) c = tiny;
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + odd * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + odd / c;
    if (Math.abs(c) < tiny) c = tiny;
    const step = d * c;
    value *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return value;
}

/** The x with I_x(a, b) = p: bisection on the logarithm of x (rates may be tiny), to full double precision. */
export function incompleteBetaInverse(p: number, a: number, b: number): number {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  let low = -745;
  let high = 0;
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (incompleteBeta(Math.exp(middle), a, b) < p) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** Options of {@link clopperPearson}. */
export interface ClopperPearsonOptions {
  readonly confidence?: number;
  /** `two`: both bounds, half the risk each. `upper`: only the upper bound, with all of it; the lower bound is 0. */
  readonly sides?: "two" | "upper";
}

/** Defaults of {@link clopperPearson}. */
export const CLOPPER_PEARSON_DEFAULTS = { confidence: 0.95, sides: "two" } as const satisfies Required<ClopperPearsonOptions>;

/**
 * The exact binomial interval of Clopper & Pearson (1934) for `errors` among independent `trials`. It never covers less than its
 * confidence. Right for counts of presentations; wrong (too narrow) for comparisons that share people.
 *
 * @throws SCORES_INVALID unless 0 <= errors <= trials and trials > 0, both whole.
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { clopperPearson } from "@tessera/core/biometrics/binomial";
 *
 * // No error among 42: below 7 % with 95 % confidence.
 * assert.equal(clopperPearson(0, 42, { sides: "upper" }).high.toFixed(4), "0.0688");
 * ```
 */
export function clopperPearson(errors: number, trials: number, options: ClopperPearsonOptions = {}): Interval {
  const { confidence, sides } = { ...CLOPPER_PEARSON_DEFAULTS, ...options };
  if (!(Number.isInteger(errors) && Number.isInteger(trials) && errors >= 0 && trials > 0 && errors <= trials))
    throw fail("SCORES_INVALID", `Cannot give an interval for ${errors} errors in ${trials} trials`);
  const risk = sides === "two" ? (1 - confidence) / 2 : 1 - confidence;
  // Zero errors in closed form: (1 - high)^n = risk.
  const high =
    errors === trials
      ? 1
      : errors === 0
        ? -Math.expm1(Math.log(risk) / trials)
        : incompleteBetaInverse(1 - risk, errors + 1, trials - errors);
  const low = sides === "upper" || errors === 0 ? 0 : incompleteBetaInverse(risk, errors, trials - errors + 1);
  return { low, high, confidence, method: sides === "two" ? "clopper-pearson" : "clopper-pearson-upper" };
}

/** Rule of 3: zero errors in n independent trials put the rate below about 3/n with 95 % (1.61/n with 80 %) confidence: -ln(risk)/n. */
export function zeroErrorBound(trials: number, confidence = 0.95): number {
  return -Math.log(1 - confidence) / trials;
}

/** Independent trials without any error that show a rate below `limit`: the smallest n with (1 - limit)^n <= 1 - confidence. */
export function trialsWithoutError(limit: number, confidence = 0.95): number {
  return Math.ceil(Math.log(1 - confidence) / Math.log1p(-limit) - 1e-9);
}

/** Rule of 30 (Doddington): independent trials in which a rate is expected to show 30 errors, hence known within 30 % at 90 % confidence. */
export function trialsForThirtyErrors(rate: number): number {
  return Math.ceil((30 / rate) * (1 - 1e-12));
}
