import { at } from "@tessera/core/base/assert";
import type { SpaceAdapter } from "@tessera/core/biometrics/adapter";
import { adapterBytes } from "@tessera/core/biometrics/adapter-file";
import {
  CELL_VERDICTS,
  enrolProbeMatrix,
  type MatrixCell,
  type MatrixOptions,
  type MatrixPoint,
  type NamedEmbeddings,
} from "@tessera/core/biometrics/matrix";
import type { Interval } from "@tessera/core/biometrics/rates";
import type {
  CompatibilityAdapter,
  CompatibilityCell,
  CompatibilityMatrix,
  CompatibilityPoint,
  Estimate,
  TemplateVerdict,
} from "@tessera/core/protocol/report";
import type { EvaluationSet } from "./accuracy.ts";

/** What {@link compatibilityOf} may be told besides the models. */
export interface CompatibilityOptions extends Omit<MatrixOptions, "aliases"> {
  /** The FAR of the matrix. */
  readonly far: number;
  /** Further FARs that every cell answers. */
  readonly fars?: readonly number[];
  /** Names of the models whose cell the verdict is about; without it, of all that are mixed. */
  readonly previous?: { readonly gallery: string; readonly probe: string };
}

/** An adapter that was fitted for a cell. */
export interface FittedAdapter {
  readonly gallery: string;
  readonly probe: string;
  readonly adapter: SpaceAdapter;
  readonly samples: number;
}

/**
 * Whether templates of one model serve another: every model enrolled against every model probing, with intervals, and adapters where models bring
 * embeddings of other people to fit them to.
 */
export function compatibilityOf(
  models: readonly NamedEmbeddings[],
  set: EvaluationSet,
  options: CompatibilityOptions,
): { readonly matrix: CompatibilityMatrix; readonly adapters: readonly FittedAdapter[] } {
  const { far, previous } = options;
  const fars = [...new Set([far, ...(options.fars ?? [])])];
  const { cells, convention, models: names } = enrolProbeMatrix(models, set.subjects, { ...options, aliases: set.aliases, fars });
  const samples = models[0]?.fit?.count ?? 0;
  const adapters = cells
    .flat()
    .flatMap(({ gallery, probe, adapter }) =>
      adapter === undefined ? [] : [{ gallery, probe, adapter: adapter.adapter, samples }],
    );
  return {
    matrix: {
      far,
      models: names,
      cells: cells.map((row) => row.map((cell) => cellOf(cell, far, samples))),
      verdict: verdictOf(cells, previous),
      convention,
      ...(previous === undefined ? {} : { previous }),
    },
    adapters,
  };
}

/** As {@link compatibilityOf}, the matrix alone; a number stands for its FAR. */
export function matrixOf(
  models: readonly NamedEmbeddings[],
  set: EvaluationSet,
  options: number | CompatibilityOptions,
): CompatibilityMatrix {
  return compatibilityOf(models, set, typeof options === "number" ? { far: options } : options).matrix;
}

function cellOf(cell: MatrixCell, far: number, samples: number): CompatibilityCell {
  const { verdict, adapter, noAdapter } = cell;
  const points = pointsOf(cell.points);
  const first = points.find((point) => point.far === far);
  return {
    ...(first === undefined
      ? {}
      : { tar: first.tar.value, threshold: first.threshold, fmrAtBaselineThreshold: first.inUse.realisedFar }),
    verdict,
    ...(points.length === 0 ? {} : { points }),
    ...(adapter === undefined ? {} : { adapter: adapterOf(adapter, samples) }),
    ...(noAdapter === undefined ? {} : { noAdapter }),
  };
}

function adapterOf(found: NonNullable<MatrixCell["adapter"]>, samples: number): CompatibilityAdapter {
  const { adapter, points, gain, suffices, tried } = found;
  return {
    kind: adapter.kind,
    sizeBytes: adapterBytes(adapter),
    samples,
    points: pointsOf(points),
    ...(gain === undefined ? {} : { gain: estimate(gain.value, gain.interval) }),
    suffices,
    tried,
  };
}

function pointsOf(points: MatrixCell["points"]): readonly CompatibilityPoint[] {
  return points.flatMap((point) => (point.kind === "matrix-point" ? [pointOf(point)] : []));
}

function pointOf({
  far,
  own,
  tarInterval,
  atThresholdInUse: used,
  drop,
  dropInterval,
  verdict,
}: MatrixPoint): CompatibilityPoint {
  return {
    far,
    tar: estimate(own.tar, tarInterval),
    threshold: own.threshold,
    drop: estimate(drop, dropInterval),
    inUse: { threshold: used.threshold, tar: used.tar, realisedFar: used.fmr },
    genuine: own.genuineCount,
    impostor: own.impostorCount,
    verdict,
  };
}

/** A figure without an interval says so by a confidence of 0: nothing is claimed. */
function estimate(value: number, interval: Interval | undefined): Estimate {
  return { value, ...(interval ?? { low: value, high: value, confidence: 0, method: "no interval was asked for" }) };
}

/** What each verdict asks of a fleet, after the word itself. */
const MEANINGS = {
  "templates stay": "templates of these models can be mixed at the threshold in use",
  "re-fit threshold": "templates are kept, but each mixture of models needs its own threshold",
  "adapter suffices": "templates are kept when they are mapped into the new space by the adapter, at its threshold",
  "re-enrol": "people must enrol again when the model changes",
  "insufficient data": "too few comparisons to say whether templates can stay",
} as const satisfies Readonly<Record<TemplateVerdict, string>>;

/** The worst first: not knowing is worse than a small nuisance, and better than a known one. */
const SEVERITY: readonly TemplateVerdict[] = [
  "re-enrol",
  "adapter suffices",
  "insufficient data",
  "re-fit threshold",
  "templates stay",
];

function verdictOf(cells: readonly (readonly MatrixCell[])[], previous: CompatibilityOptions["previous"]): string {
  const mixed = cells.flatMap((row, i) => row.filter((_, j) => i !== j));
  const asked = mixed.filter(({ gallery, probe }) => gallery === previous?.gallery && probe === previous?.probe);
  const judged = asked.length > 0 ? asked : mixed;
  const worst = SEVERITY.find((verdict) => judged.some((cell) => cell.verdict === verdict)) ?? at(CELL_VERDICTS, 4);
  const [cell] = judged.filter(({ verdict }) => verdict === worst);
  const whose =
    judged.length > 1 && cell !== undefined && worst !== "templates stay"
      ? ` (${cell.gallery} enrolled, ${cell.probe} probing)`
      : "";
  return `${worst}: ${MEANINGS[worst]}${whose}`;
}

/**
 * Whether templates of two models may lie in one gallery: measured, in both directions, at the threshold in use. What was not measured may not, nor what
 * holds only at a threshold fitted to the mixture, or only after mapping: one threshold for a mixed gallery would let strangers in.
 */
export function sharesSpace(matrix: CompatibilityMatrix, a: string, b: string): boolean {
  const [i, j] = [matrix.models.indexOf(a), matrix.models.indexOf(b)];
  if (i < 0 || j < 0) return false;
  return [matrix.cells[i]?.[j], matrix.cells[j]?.[i]].every((c) => c?.verdict === "templates stay");
}
