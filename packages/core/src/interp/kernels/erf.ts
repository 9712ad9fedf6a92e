/** Distance of the points around which erf is expanded, and up to where; beyond 6 erf is 1 in double precision. */
const STEP = 1 / 8;
const LAST = 48;
/** |d| <= 1/16, so that terms of this order are below 1e-18. */
const ORDER = 13;

// Built at the first call, because importing a module does no work.
let table: Float64Array | undefined;

// erf of a point by the series 2/sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!! (Abramowitz and Stegun 7.1.6): all terms positive, nothing cancels.
function bySeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/**
 * Coefficients of erf(c + d) in powers of d for each point c. The derivative is 2/sqrt(pi) exp(-c^2) g(d) with g = exp(-2cd - d^2), and
 * g' = -(2c + 2d) g gives g's coefficients one from the other.
 */
function build(): Float64Array {
  const out = new Float64Array((LAST + 1) * (ORDER + 1));
  for (let k = 0; k <= LAST; k++) {
    const c = k * STEP;
    const scale = (2 / Math.sqrt(Math.PI)) * Math.exp(-c * c);
    out[k * (ORDER + 1)] = bySeries(c);
    let before = 0;
    let g = 1;
    for (let n = 0; n < ORDER; n++) {
      out[k * (ORDER + 1) + n + 1] = (scale * g) / (n + 1);
      const next = (-2 * c * g - 2 * before) / (n + 1);
      before = g;
      g = next;
    }
  }
  return out;
}

/** The error function, to within 5e-16. */
export function erf(x: number): number {
  const size = Math.abs(x);
  // Not written as > 6, so that NaN goes the same way.
  if (!(size < LAST * STEP)) return Number.isNaN(x) ? x : Math.sign(x);
  table ??= build();
  const k = Math.round(size / STEP);
  const d = size - k * STEP;
  const first = k * (ORDER + 1);
  let value = 0;
  for (let n = ORDER; n >= 0; n--) value = value * d + (table[first + n] as number);
  // Rounding in the series may end a hair above 1.
  value = Math.min(1, value);
  return x < 0 ? -value : value;
}
