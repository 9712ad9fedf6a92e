import { invariant } from "../../base/assert.ts";
import { type Matrix, matrix } from "../../base/matrix.ts";

/** What a number measured while a text was typed says. Times are in seconds. */
export type KeystrokeFeatureKind = "hold" | "down-down" | "up-down" | "pressure" | "size" | "average";

/** One column of a {@link KeystrokeSet}. `hold`, `down-down` and `up-down` are times in seconds; the others have the unit of the device. */
export interface KeystrokeFeature {
  readonly name: string;
  readonly kind: KeystrokeFeatureKind;
}

/** One person's repetitions of the text, one a row in the order they were typed: f64[repetitions, features]. */
export interface KeystrokeSubject {
  readonly id: string;
  readonly samples: Matrix;
}

/** People who typed the same text, with the same features measured. */
export interface KeystrokeSet {
  readonly kind: "keystroke-set";
  readonly name: string;
  readonly features: readonly KeystrokeFeature[];
  readonly subjects: readonly KeystrokeSubject[];
}

/** The kinds that are times. What a touch screen measures besides is not among them. */
export const TIMING_KINDS: readonly KeystrokeFeatureKind[] = ["hold", "down-down", "up-down"];

/** Row `index` of a matrix, sharing its memory. */
export function rowOf(samples: Matrix, index: number): Float64Array {
  return samples.data.subarray(index * samples.cols, (index + 1) * samples.cols);
}

/** Rows `from` (inclusive) to `to` (exclusive), sharing their memory. */
export function rowsOf(samples: Matrix, from: number, to: number): Matrix {
  invariant(from >= 0 && to >= from && to <= samples.rows, `rows ${from}..${to} of ${samples.rows}`);
  return { rows: to - from, cols: samples.cols, data: samples.data.subarray(from * samples.cols, to * samples.cols) };
}

/** A matrix of rows of equal length, copied. */
export function stackRows(rows: readonly ArrayLike<number>[]): Matrix {
  const cols = rows[0]?.length ?? 0;
  const result = matrix(rows.length, cols);
  rows.forEach((row, i) => {
    invariant(row.length === cols, `a row of ${row.length} numbers among rows of ${cols}`);
    result.data.set(row, i * cols);
  });
  return result;
}

/** The set with only the features of some kinds. */
export function selectFeatures(set: KeystrokeSet, kinds: readonly KeystrokeFeatureKind[]): KeystrokeSet {
  const columns = set.features.flatMap((feature, index) => (kinds.includes(feature.kind) ? [index] : []));
  const take = ({ rows, cols, data }: Matrix): Matrix => {
    const result = matrix(rows, columns.length);
    for (let i = 0; i < rows; i++)
      columns.forEach((column, k) => {
        result.data[i * columns.length + k] = data[i * cols + column] as number;
      });
    return result;
  };
  return {
    ...set,
    features: columns.map((column) => set.features[column] as KeystrokeFeature),
    subjects: set.subjects.map(({ id, samples }) => ({ id, samples: take(samples) })),
  };
}
