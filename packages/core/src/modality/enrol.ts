import { fail } from "../base/error.ts";

/** A vector brought to length 1. @throws SCORES_INVALID for a vector of length 0 or with numbers that are not finite */
export function unitVector(vector: Float32Array | Float64Array): Float32Array {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += (vector[i] as number) ** 2;
  const norm = Math.sqrt(squares);
  if (!(norm > 0) || !Number.isFinite(norm)) {
    throw fail("SCORES_INVALID", `Cannot compare by direction: a vector of ${vector.length} numbers has the length ${norm}`);
  }
  return Float32Array.from(vector, (value) => value / norm);
}

/** Options of {@link enrolMean}. */
export interface EnrolOptions {
  /** Average the vectors as they are, so that long ones count more, as some networks' authors do; each is brought to length 1 first otherwise. */
  readonly asTheyAre?: boolean;
}

/**
 * The template of a person from several captures: the mean of their length-1 vectors, brought to length 1. Its cosine with a probe is, up
 * to a factor, the mean of the cosines. @throws SCORES_INVALID for no vectors, or ones that cancel; SHAPE_MISMATCH for unequal lengths
 */
export function enrolMean(vectors: readonly (Float32Array | Float64Array)[], options: EnrolOptions = {}): Float32Array {
  const [first] = vectors;
  if (first === undefined) throw fail("SCORES_INVALID", "Cannot enrol: there are no vectors");
  const sum = new Float64Array(first.length);
  for (const vector of vectors) {
    if (vector.length !== sum.length)
      throw fail("SHAPE_MISMATCH", `Cannot average vectors of ${sum.length} and ${vector.length} numbers`);
    const unit = options.asTheyAre === true ? vector : unitVector(vector);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (unit[i] as number);
  }
  return unitVector(sum);
}
