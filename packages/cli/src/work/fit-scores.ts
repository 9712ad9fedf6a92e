import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { cllr } from "@tessera/core/biometrics/calibration";
import { rankScores } from "@tessera/core/biometrics/compare";
import { parseCsv } from "@tessera/core/biometrics/csv";
import { equalErrorRate } from "@tessera/core/biometrics/eer";
import { applyFusion, type FusionModel, type ModalityScore } from "@tessera/core/biometrics/fusion";
import { type FusionOptions, type FusionTrials, fitFusion, type ModalityTrials } from "@tessera/core/biometrics/fusion-fit";
import { type OperatingPointResult, operatingPoint } from "@tessera/core/biometrics/rates";

/** Trials of several modalities from a table, and the fold of each where the table has one. */
export interface ScoreTable {
  readonly trials: FusionTrials;
  readonly modalities: readonly string[];
  readonly folds: readonly string[] | undefined;
}

/**
 * Reads trials: a column `genuine` of 0 and 1, a column of scores for each modality under its name (empty where the trial lacks it), its quality under
 * `NAME.quality`, and perhaps a column `fold`.
 *
 * @throws DATASET_INVALID naming line and column
 */
export function parseScoreTable(text: string, file: string): ScoreTable {
  const { header, rows, lines } = parseCsv(text, { file });
  const names = header.filter((name) => name !== "genuine" && name !== "fold" && !name.endsWith(".quality"));
  const bad = (why: string): Error => fail("DATASET_INVALID", `Cannot use ${file}: ${why}`);
  if (!header.includes("genuine") || names.length === 0 || rows.length === 0)
    throw bad('it needs a column "genuine", one of scores for each modality, and trials');
  const stray = header.find((name) => name.endsWith(".quality") && !names.includes(name.slice(0, -".quality".length)));
  if (stray !== undefined) throw bad(`column "${stray}" is the quality of no modality`);
  const column = (name: string): readonly string[] => {
    const place = header.indexOf(name);
    return rows.map((row) => at(row, place));
  };
  const numbers = (name: string): Float64Array =>
    Float64Array.from(column(name), (cell, i) => {
      const value = cell.trim() === "" ? Number.NaN : Number(cell);
      if (cell.trim() !== "" && !Number.isFinite(value)) throw bad(`line ${lines[i]} has "${cell.slice(0, 40)}" for ${name}`);
      return value;
    });
  const genuine = Uint8Array.from(column("genuine"), (cell, i) => {
    if (cell !== "0" && cell !== "1") throw bad(`line ${lines[i]} has "${cell.slice(0, 40)}" for genuine, not 0 or 1`);
    return Number(cell);
  });
  const modalities = names.map((name): readonly [string, ModalityTrials] => {
    const quality = `${name}.quality`;
    return [name, { scores: numbers(name), ...(header.includes(quality) ? { qualities: numbers(quality) } : {}) }];
  });
  return {
    trials: { genuine, modalities: Object.fromEntries(modalities) },
    modalities: names,
    folds: header.includes("fold") ? column("fold") : undefined,
  };
}

/** A system's figures on trials of a table. */
export interface ScoredSystem {
  readonly system: string;
  readonly trials: number;
  readonly eer: number;
  readonly points: readonly OperatingPointResult[];
  /** Of log-likelihood ratios, so of fusions. */
  readonly cllr?: number;
}

/** A fusion fitted to a whole table, and figures. */
export interface FittedScores {
  readonly model: FusionModel;
  /** Whether figures are of trials that the fits had not seen; else they flatter. */
  readonly heldOut: boolean;
  readonly systems: readonly ScoredSystem[];
}

/**
 * Fits a fusion to all trials. Figures are of fits that had not seen the trial: of the other folds, which should share no person. Without folds they are of the
 * trials that it was fitted to.
 *
 * @throws SCORES_INVALID, DATASET_INVALID for a single fold
 */
export function fitScores(
  { trials, modalities, folds }: ScoreTable,
  options: Partial<FusionOptions>,
  fars: readonly number[],
): FittedScores {
  const model = fitFusion(trials, options);
  const kinds = [...new Set(folds ?? [])];
  if (folds !== undefined && kinds.length < 2)
    throw fail("DATASET_INVALID", 'Cannot hold out folds: the column "fold" names only one');
  const { genuine } = trials;
  const rows = Array.from(genuine.keys());
  const fused = new Float64Array(genuine.length);
  for (const fold of folds === undefined ? [undefined] : kinds) {
    const held =
      fold === undefined
        ? model
        : fitFusion(
            chosen(
              trials,
              rows.filter((i) => folds?.[i] !== fold),
            ),
            options,
          );
    for (const i of rows)
      if (fold === undefined || folds?.[i] === fold) fused[i] = applyFusion(held, scoresOf(trials, i)) ?? Number.NaN;
  }
  const systems = [
    ...modalities.map((name) => ({ system: name, scores: (trials.modalities[name] as ModalityTrials).scores })),
    { system: "fused", scores: fused },
  ].map(({ system, scores }): ScoredSystem => {
    const ofClass = (is: number): Float64Array => scores.filter((score, i) => genuine[i] === is && !Number.isNaN(score));
    const classes = { genuine: ofClass(1), impostor: ofClass(0) };
    const ranked = rankScores(classes);
    return {
      system,
      trials: classes.genuine.length + classes.impostor.length,
      eer: equalErrorRate(ranked).raw.rate,
      points: fars.map((far) => operatingPoint(ranked, far)),
      ...(system === "fused" ? { cllr: cllr(classes) } : {}),
    };
  });
  return { model, heldOut: folds !== undefined, systems };
}

/** Some of the trials. */
function chosen({ genuine, modalities }: FusionTrials, rows: readonly number[]): FusionTrials {
  const pick = (list: Float64Array): Float64Array => Float64Array.from(rows, (row) => at(list, row));
  return {
    genuine: Uint8Array.from(rows, (row) => at(genuine, row)),
    modalities: Object.fromEntries(
      Object.entries(modalities).map(([name, { scores, qualities }]) => [
        name,
        { scores: pick(scores), ...(qualities === undefined ? {} : { qualities: pick(qualities) }) },
      ]),
    ),
  };
}

/** The scores that a trial has. */
function scoresOf({ modalities }: FusionTrials, row: number): Readonly<Record<string, ModalityScore>> {
  return Object.fromEntries(
    Object.entries(modalities).flatMap(([name, { scores, qualities }]) => {
      const score = at(scores, row);
      if (Number.isNaN(score)) return [];
      return [[name, { score, ...(qualities === undefined ? {} : { quality: at(qualities, row) }) }] as const];
    }),
  );
}
