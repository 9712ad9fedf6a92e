import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rankScores } from "@tessera/core/biometrics/compare";
import { closestPoint, rocPoints } from "@tessera/core/biometrics/roc";
import { areaUnderRoc } from "@tessera/core/biometrics/separation";
import { enrolMean, unitVector } from "@tessera/core/modality/enrol";
import { readNpz } from "./npz.ts";

/** Recordings of TinySV's data set in the form that its network takes: f32[49, 40] each, and who speaks (where the file says). */
export interface TinysvSamples {
  readonly samples: readonly Float32Array[];
  readonly labels: readonly number[];
}

/** Figures of one speaker enrolled with so many recordings. */
export interface TinysvRow {
  readonly enrolled: number;
  readonly speaker: number;
  readonly accuracy: number;
  readonly eer: number;
  readonly auc: number;
}

const SIZE = 49 * 40;

/** Reads `NAME.npz` of a folder: `validation`, `testing`, or `train_SPEAKER_RECORDINGS`. */
export function tinysvSamples(folder: string, name: string): TinysvSamples {
  const arrays = readNpz(readFileSync(join(folder, `${name}.npz`)));
  const { values } = arrays.get("data") ?? { values: new Float64Array() };
  const samples = Array.from({ length: values.length / SIZE }, (_, i) =>
    Float32Array.from(values.subarray(i * SIZE, (i + 1) * SIZE)),
  );
  return { samples, labels: Array.from(arrays.get("labels")?.values ?? []) };
}

/**
 * The protocol of its authors (`testing-meancos.py`): a speaker is enrolled as the mean of so many d-vectors as they are; a trial's score is the cosine to
 * that; the threshold is that of the point of the validation's ROC curve where errors are closest, EER and area are those of the validation, and accuracy
 * is that of the test samples at the threshold.
 */
export async function tinysvRows(
  folder: string,
  embed: (sample: Float32Array) => Promise<Float32Array | Float64Array>,
): Promise<readonly TinysvRow[]> {
  const embedAll = async ({ samples }: TinysvSamples) => {
    const vectors: (Float32Array | Float64Array)[] = [];
    for (const sample of samples) vectors.push(await embed(sample));
    return vectors;
  };
  const sets = { validation: tinysvSamples(folder, "validation"), testing: tinysvSamples(folder, "testing") };
  const probes = { validation: await embedAll(sets.validation), testing: await embedAll(sets.testing) };
  const rows: TinysvRow[] = [];
  for (const enrolled of [1, 8, 16]) {
    for (const speaker of [0, 1, 2, 3]) {
      const vectors = await embedAll(tinysvSamples(folder, `train_${speaker}_${enrolled}`));
      const template = enrolMean(vectors, { asTheyAre: true });
      const scoresOf = (set: keyof typeof sets) => {
        const scores = probes[set].map((vector) => cosine(template, vector));
        const genuine = sets[set].labels.map((label) => label === speaker);
        return { scores, genuine };
      };
      const validation = scoresOf("validation");
      const of = (own: boolean) => Float64Array.from(validation.scores.filter((_, i) => validation.genuine[i] === own));
      const ranked = rankScores({ genuine: of(true), impostor: of(false) });
      const { threshold, rate } = closestPoint(rocPoints(ranked));
      const testing = scoresOf("testing");
      const right = testing.scores.filter((score, i) => score >= threshold === testing.genuine[i]).length;
      rows.push({ enrolled, speaker, accuracy: right / testing.scores.length, eer: rate, auc: areaUnderRoc(ranked) });
    }
  }
  return rows;
}

/** The cosine of a template with a vector of any length; 0 for one of length 0, as scikit-learn has it. */
function cosine(template: Float32Array, vector: Float32Array | Float64Array): number {
  if (vector.every((v) => v === 0)) return 0;
  return unitVector(vector).reduce((sum, v, i) => sum + v * (template[i] as number), 0);
}

/** What its authors publish, accuracy / EER / AUC: every row of their table. */
export const TINYSV_PUBLISHED: readonly TinysvRow[] = (
  [
    [1, [0.8, 0.2667, 0.8459], [0.8667, 0.2, 0.9289], [0.6667, 0.2222, 0.8859], [0.6167, 0.2889, 0.7615]],
    [8, [0.9167, 0.1, 0.8237], [0.9333, 0.0667, 0.9837], [0.8, 0.1, 0.9052], [0.65, 0.2889, 0.8222]],
    [16, [0.9667, 0.1, 0.8267], [0.9167, 0.1444, 0.9763], [0.8167, 0.1, 0.8993], [0.6333, 0.2889, 0.88]],
  ] as const
).flatMap(([enrolled, ...speakers]) =>
  speakers.map(([accuracy, eer, auc], speaker) => ({ enrolled, speaker, accuracy, eer, auc })),
);
