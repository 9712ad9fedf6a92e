/**
 * A quadratic form over the errors of one filter's weights: symmetric, f64[size, size], row by row. With the mean products of a layer's inputs in it,
 * `eᵀHe` is the mean squared error of the filter's output when its weights are wrong by `e`.
 */
export interface QuadraticForm {
  readonly size: number;
  readonly data: Float64Array;
}

/** `eᵀHe`. */
export function quadraticError(form: QuadraticForm, errors: ArrayLike<number>): number {
  const { size, data } = form;
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const e = errors[i] as number;
    if (e === 0) continue;
    // Symmetric: what is above the diagonal counts twice.
    let row = 0;
    for (let j = i + 1; j < size; j++) row += (data[i * size + j] as number) * (errors[j] as number);
    sum += e * (2 * row + (data[i * size + i] as number) * e);
  }
  return sum;
}

/**
 * The form with a share of its mean diagonal added to the diagonal, which makes it definite where inputs were too few or always zero, and keeps
 * weights near their values where nothing speaks against it. A form of zeros becomes the identity: there the nearest integers are as good as any.
 */
export function dampedForm({ size, data }: QuadraticForm, damping: number): QuadraticForm {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += data[i * size + i] as number;
  const extra = trace > 0 ? (damping * trace) / size : 1;
  const out = Float64Array.from(data);
  for (let i = 0; i < size; i++) out[i * size + i] = (out[i * size + i] as number) + extra;
  return { size, data: out };
}

/** `H·e`. */
export function formTimes({ size, data }: QuadraticForm, errors: ArrayLike<number>): Float64Array {
  const out = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    let sum = 0;
    for (let j = 0; j < size; j++) sum += (data[i * size + j] as number) * (errors[j] as number);
    out[i] = sum;
  }
  return out;
}

/**
 * Integers of a filter's weights in units of their step: what to round, within which limits, under which form.
 */
export interface RoundingProblem {
  /** Weights divided by their scale. */
  readonly exact: Float64Array;
  /** Integers go from -limit to limit. */
  readonly limit: number;
  readonly form: QuadraticForm;
}

/** Each weight to its nearest integer within the limits, ties to even. */
export function nearestIntegers({ exact, limit }: Pick<RoundingProblem, "exact" | "limit">): Float64Array {
  return Float64Array.from(exact, (v) => clampTo(limit, roundEven(v)));
}

/** `eᵀHe` of the error that integers make. */
export function roundingError({ exact, form }: Pick<RoundingProblem, "exact" | "form">, integers: ArrayLike<number>): number {
  return quadraticError(
    form,
    exact.map((v, i) => v - (integers[i] as number)),
  );
}

/** An integer held within [-limit, limit]. */
export function clampTo(limit: number, integer: number): number {
  return integer < -limit ? -limit : integer > limit ? limit : integer;
}

/** Round half to even. */
export function roundEven(v: number): number {
  const r = Math.round(v);
  return Math.abs(v - Math.trunc(v)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
