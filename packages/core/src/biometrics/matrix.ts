import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { bootstrapPoints } from "./bootstrap.ts";
import { compareAll, rankScores, type ScorePair } from "./compare.ts";
import { type Alias, allPairs } from "./design.ts";
import { type InsufficientData, type Interval, type OperatingPoint, operatingPoint, pointAtThreshold } from "./rates.ts";
import type { BootstrapOptions } from "./resample.ts";
import type { Embeddings } from "./similarity.ts";

/** A model by name with its L2-normalised embeddings of one and the same list of items. */
export interface NamedEmbeddings {
  readonly name: string;
  readonly embeddings: Embeddings;
}

/**
 * What a cell means for a fleet that mixes models.
 *
 * - `interchangeable`: enrolled by one, probed by the other, at the threshold already in use: TAR and realised FAR hold.
 * - `refit-threshold`: the scores separate as well, but the threshold in use gives another FAR.
 * - `re-enrol`: mixing costs TAR even at its own best threshold: templates must be made anew.
 * - `unknown`: too few comparisons.
 */
export type CellVerdict = "interchangeable" | "refit-threshold" | "re-enrol" | "unknown";

/** One FAR of a cell. */
export interface MatrixPoint {
  readonly kind: "matrix-point";
  readonly far: number;
  /** With the threshold that gives the FAR in this very cell. */
  readonly own: OperatingPoint;
  /** Subject-bootstrap interval of its TAR, when replicates were asked for. */
  readonly tarInterval?: Interval;
  /** At the threshold of the gallery model against itself: what a device in the field would use. */
  readonly atGalleryThreshold: OperatingPoint;
  /** TAR of the worse of the two models against itself minus the TAR here. */
  readonly drop: number;
  readonly verdict: CellVerdict;
}

/** Enrolled with one model, probed with another. */
export interface MatrixCell {
  readonly gallery: string;
  readonly probe: string;
  readonly points: readonly (MatrixPoint | InsufficientData)[];
  /** The worst verdict over the answered FARs. */
  readonly verdict: CellVerdict;
}

/** Every model enrolled against every model probing. */
export interface EnrolProbeMatrix {
  readonly kind: "enrol-probe-matrix";
  readonly models: readonly string[];
  readonly fars: readonly number[];
  /** Row by gallery, column by probe. */
  readonly cells: readonly (readonly MatrixCell[])[];
  readonly convention: string;
}

/** Options of {@link enrolProbeMatrix}. */
export interface MatrixOptions extends BootstrapOptions {
  readonly aliases?: readonly Alias[];
  /** TAR that a mixed cell may lose against the worse of its two models, as a fraction. */
  readonly maxDrop?: number;
  /** How many times the asked FAR may be realised at the gallery's threshold. */
  readonly maxFarRatio?: number;
}

/** Defaults of {@link enrolProbeMatrix}; 0 replicates: no intervals. */
export const MATRIX_DEFAULTS = { maxDrop: 0.005, maxFarRatio: 2, replicates: 0 } as const;

/** How {@link enrolProbeMatrix} compares. */
export const MATRIX_CONVENTION =
  "each image enrolled by the gallery model against every other image probed by the probe model, both directions, never an image against itself; " +
  "on the diagonal each pair once; drop = TAR of the worse model against itself minus TAR of the cell, own thresholds";

/**
 * Whether templates of one model serve another: TAR@FAR for each gallery and probe model. The cost is one all-pairs run per cell.
 *
 * @throws SCORES_INVALID when the models do not embed the same items in the same dimension.
 * @example
 * enrolProbeMatrix([{ name: "fp32", embeddings: a }, { name: "int8", embeddings: b }], subjects, { fars: [1e-3] }).cells[0]?.[1]?.verdict;
 */
export function enrolProbeMatrix(
  models: readonly NamedEmbeddings[],
  subjects: Int32Array,
  options: MatrixOptions & { readonly fars: readonly number[] },
): EnrolProbeMatrix {
  const settings = { ...MATRIX_DEFAULTS, ...options };
  const names = models.map((model) => model.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw fail("SCORES_INVALID", `Cannot make a matrix: two models are called ${twice}`);
  const aliases = options.aliases ?? [];
  const once = allPairs(subjects, { aliases });
  const both = allPairs(subjects, { aliases, ordered: true });
  const score = (
    gallery: NamedEmbeddings,
    probe: NamedEmbeddings,
  ): { ranked: ScorePair; intervals: readonly (Interval | undefined)[] } => {
    const scores = compareAll(gallery.embeddings, gallery === probe ? once : both, { probe: probe.embeddings });
    const ranked = rankScores(scores);
    if (settings.replicates === 0) return { ranked, intervals: [] };
    const points = bootstrapPoints(scores, settings.fars, { ...settings, ranked });
    return { ranked, intervals: points.map((point) => (point.kind === "bootstrapped-point" ? point.tarRefitted : undefined)) };
  };
  const selves = models.map((model) => score(model, model));
  const cells = models.map((gallery, g) =>
    models.map((probe, p): MatrixCell => {
      const { ranked, intervals } = g === p ? at(selves, g) : score(gallery, probe);
      const points = settings.fars.map((far, n) => {
        const point = cellPoint(ranked, at(selves, g).ranked, at(selves, p).ranked, { ...settings, far });
        const tarInterval = intervals[n];
        return point.kind === "matrix-point" && tarInterval !== undefined ? { ...point, tarInterval } : point;
      });
      return { gallery: gallery.name, probe: probe.name, points, verdict: worstVerdict(points) };
    }),
  );
  return { kind: "enrol-probe-matrix", models: names, fars: settings.fars, cells, convention: MATRIX_CONVENTION };
}

function cellPoint(
  cell: ScorePair,
  gallery: ScorePair,
  probe: ScorePair,
  options: { readonly far: number; readonly maxDrop: number; readonly maxFarRatio: number },
): MatrixPoint | InsufficientData {
  const { far } = options;
  const own = operatingPoint(cell, far);
  const galleryPoint = operatingPoint(gallery, far);
  const probePoint = operatingPoint(probe, far);
  // Both directions hold the same comparisons twice: what one direction cannot answer, two cannot either.
  if (galleryPoint.kind !== "operating-point") return galleryPoint;
  if (probePoint.kind !== "operating-point") return probePoint;
  if (own.kind !== "operating-point") return own;
  const atGalleryThreshold = pointAtThreshold(cell, { threshold: galleryPoint.threshold, far });
  const worse = Math.min(galleryPoint.tar, probePoint.tar);
  const drop = worse - own.tar;
  const holds = atGalleryThreshold.fmr <= far * options.maxFarRatio && worse - atGalleryThreshold.tar <= options.maxDrop;
  const verdict = drop > options.maxDrop ? "re-enrol" : holds ? "interchangeable" : "refit-threshold";
  return { kind: "matrix-point", far, own, atGalleryThreshold, drop, verdict };
}

function worstVerdict(points: readonly (MatrixPoint | InsufficientData)[]): CellVerdict {
  const verdicts = points.flatMap((point) => (point.kind === "matrix-point" ? [point.verdict] : []));
  const order: readonly CellVerdict[] = ["re-enrol", "refit-threshold", "interchangeable"];
  return order.find((verdict) => verdicts.includes(verdict)) ?? "unknown";
}
