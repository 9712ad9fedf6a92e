import { at } from "../base/assert.ts";
import { fail, isTesseraError } from "../base/error.ts";
import { ADAPTER_KINDS, applyAdapter, fitAdapter, type SpaceAdapter } from "./adapter.ts";
import { type Alias, allPairs, type CrossDesign, countComparisons } from "./design.ts";
import {
  type CellScores,
  cellDepth,
  cellPoint,
  cellPointAt,
  differenceInterval,
  peopleWithGenuine,
  resampledTars,
  scoreCell,
  tarIntervalOf,
} from "./matrix-scores.ts";
import { type InsufficientData, type Interval, insufficientFor, type OperatingPoint } from "./rates.ts";
import { BOOTSTRAP_DEFAULTS, type BootstrapOptions } from "./resample.ts";
import type { Embeddings } from "./similarity.ts";

/** A model by name with its L2-normalised embeddings of one and the same list of items. */
export interface NamedEmbeddings {
  readonly name: string;
  readonly embeddings: Embeddings;
  /**
   * Its unit embeddings of other people, the same for every model; who they are need not be known. Adapters are fitted to them.
   */
  readonly fit?: Embeddings;
}

/** What a cell means for a fleet that mixes models, the best first. */
export const CELL_VERDICTS = [
  /** Enrolled by one, probed by the other, at the threshold already in use: TAR and realised FAR hold. */
  "templates stay",
  /** The scores separate as well, but the threshold in use gives another FAR. */
  "re-fit threshold",
  /** Mixing costs TAR even at its own best threshold, but not once the templates are mapped into the probe's space. */
  "adapter suffices",
  /** Templates must be made anew. */
  "re-enrol",
  /** Too few comparisons. */
  "insufficient data",
] as const;

/** One of {@link CELL_VERDICTS}. */
export type CellVerdict = (typeof CELL_VERDICTS)[number];

/** One FAR of a cell. */
export interface MatrixPoint {
  readonly kind: "matrix-point";
  readonly far: number;
  /** With the threshold that gives the FAR in this very cell. */
  readonly own: OperatingPoint;
  /** Subject-bootstrap interval of its TAR, when replicates were asked for. */
  readonly tarInterval?: Interval;
  /** At the threshold that a device already has: that of the gallery model against itself, for mapped templates that of the probe model. */
  readonly atThresholdInUse: OperatingPoint;
  /** TAR of the worse of the two models against itself minus the TAR here, and its interval in the same resamples of people. */
  readonly drop: number;
  readonly dropInterval?: Interval;
  /** Of this FAR alone. */
  readonly verdict: CellVerdict;
}

/** An adapter from the gallery's space into the probe's, judged on people that it was not fitted to. */
export interface CellAdapter {
  readonly adapter: SpaceAdapter;
  readonly points: readonly (MatrixPoint | InsufficientData)[];
  /** TAR at the first answered FAR over that of the templates as they are; absent where those cannot be compared at all. */
  readonly gain?: { readonly value: number; readonly interval?: Interval };
  /** Whether no answered FAR loses more TAR than is allowed. */
  readonly suffices: boolean;
  /** Every kind that was tried with its TAR at the first answered FAR. A kind is taken over a simpler one only when its gain is beyond chance. */
  readonly tried: readonly { readonly kind: SpaceAdapter["kind"]; readonly tar: number }[];
}

/** Enrolled with one model, probed with another. */
export interface MatrixCell {
  readonly gallery: string;
  readonly probe: string;
  /** Empty where the two models give different numbers of values, which cannot be compared as they are. */
  readonly points: readonly (MatrixPoint | InsufficientData)[];
  /** The worst verdict over the answered FARs. */
  readonly verdict: CellVerdict;
  readonly adapter?: CellAdapter;
  /** Why there is no adapter, where one was wanted. */
  readonly noAdapter?: string;
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
  /** Where adapters are fitted, given samples for it: where templates as they are do not serve, or between all models. */
  readonly adapters?: "needed" | "always";
}

/** Defaults of {@link enrolProbeMatrix}; 0 replicates: no intervals. */
export const MATRIX_DEFAULTS = { maxDrop: 0.005, maxFarRatio: 2, replicates: 0, adapters: "needed" } as const;

/** How {@link enrolProbeMatrix} compares. */
export const MATRIX_CONVENTION =
  "each image enrolled by the gallery model against every other image probed by the probe model, both directions, never an image against itself; " +
  "on the diagonal each pair once; drop = TAR of the worse model against itself minus TAR of the cell, own thresholds, the same resamples of people; " +
  "adapters map the gallery's templates into the probe's space and are fitted to other people";

/**
 * Whether templates of one model serve another: TAR@FAR for each gallery and probe model. The cost is one all-pairs run per cell and adapter; memory
 * does not grow with the comparisons.
 *
 * @throws SCORES_INVALID when the models do not embed the same items, or two have one name.
 * @example
 * enrolProbeMatrix([{ name: "fp32", embeddings: a }, { name: "int8", embeddings: b }], subjects, { fars: [1e-3] }).cells[0]?.[1]?.verdict;
 */
export function enrolProbeMatrix(
  models: readonly NamedEmbeddings[],
  subjects: Int32Array,
  options: MatrixOptions & { readonly fars: readonly number[] },
): EnrolProbeMatrix {
  const settings: Settings = { ...BOOTSTRAP_DEFAULTS, ...MATRIX_DEFAULTS, ...options };
  const names = models.map((model) => model.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw fail("SCORES_INVALID", `Cannot make a matrix: two models are called ${twice}`);
  const aliases = options.aliases ?? [];
  const once = allPairs(subjects, { aliases });
  const both = allPairs(subjects, { aliases, ordered: true });
  // Both directions hold the same comparisons twice: what one direction cannot answer, two cannot either.
  const { impostor } = countComparisons(once);
  const refusals = settings.fars.map((far) => insufficientFor(far, impostor));
  const fars = settings.fars.filter((_, n) => refusals[n] === undefined);
  const each = (points: readonly MatrixPoint[]): readonly (MatrixPoint | InsufficientData)[] => {
    let next = 0;
    return refusals.map((refusal) => refusal ?? at(points, next++));
  };
  const selves = models.map(({ embeddings }) =>
    sideOf({ gallery: embeddings, probe: embeddings, design: once }, fars, { ...settings, thresholds: [] }),
  );
  // Each against each in both directions is one set of comparisons, whichever of the two models enrols: made once for two cells.
  const made = new Map<string, Side>();
  const between = (i: number, j: number): Side => {
    const [key, a, b] = [`${i} ${j}`, at(models, i).embeddings, at(models, j).embeddings];
    const thresholds = [at(selves, i), at(selves, j)].flatMap(thresholdsOf);
    const side = made.get(key) ?? sideOf({ gallery: a, probe: b, design: both }, fars, { ...settings, thresholds });
    made.set(key, side);
    return side;
  };
  const cells = models.map((gallery, g) =>
    models.map((probe, p): MatrixCell => {
      const named = { gallery: gallery.name, probe: probe.name };
      const pair: Pair = { gallery: at(selves, g), probe: at(selves, p) };
      if (g === p || fars.length === 0) {
        const points = each(g === p ? pointsOf(at(selves, g), pair, { ...settings, inUse: pair.gallery }) : []);
        return { ...named, points, verdict: worstVerdict(points) };
      }
      const bare = gallery.embeddings.dim === probe.embeddings.dim ? between(Math.min(g, p), Math.max(g, p)) : undefined;
      const points = bare === undefined ? [] : each(pointsOf(bare, pair, { ...settings, inUse: pair.gallery }));
      const verdict = bare === undefined ? "re-enrol" : worstVerdict(points);
      if (verdict !== "re-enrol" && settings.adapters === "needed") return { ...named, points, verdict };
      const adapted = adapterOf({ gallery, probe, design: both, bare, pair, fars }, settings);
      if (typeof adapted === "string") return { ...named, points, verdict, noAdapter: adapted };
      const adapter = { ...adapted, points: each(adapted.points) };
      return { ...named, points, verdict: verdict === "re-enrol" && adapter.suffices ? "adapter suffices" : verdict, adapter };
    }),
  );
  return { kind: "enrol-probe-matrix", models: names, fars: settings.fars, cells, convention: MATRIX_CONVENTION };
}

type Settings = Required<Omit<MatrixOptions, "aliases">> & { readonly fars: readonly number[] };

/** A cell's scores, its points and, where replicates are asked for, its TAR in every resample. */
interface Side {
  readonly scores: CellScores;
  readonly points: readonly OperatingPoint[];
  readonly tars: readonly Float64Array[] | undefined;
}

/** The two models of a cell, each against itself. */
interface Pair {
  readonly gallery: Side;
  readonly probe: Side;
}

type Work = { readonly gallery: Embeddings; readonly probe: Embeddings; readonly design: CrossDesign };

function sideOf(work: Work, fars: readonly number[], settings: Settings & { readonly thresholds: readonly number[] }): Side {
  const { impostor } = countComparisons(work.design);
  const { thresholds, replicates } = settings;
  for (let depth = cellDepth(Math.max(...fars, 0), impostor); ; depth = Math.min(impostor, depth * 2)) {
    const scores = scoreCell(work, { depth, thresholds });
    const tars = replicates === 0 ? undefined : resampledTars(scores, fars, settings);
    if (replicates > 0 && tars === undefined) continue;
    return { scores, points: fars.map((far) => cellPoint(scores, far)), tars };
  }
}

function thresholdsOf({ points }: Side): readonly number[] {
  return points.map((point) => point.threshold);
}

/** The points of a cell against the two models on their own, and at the thresholds of the one whose thresholds are in use. */
function pointsOf(cell: Side, { gallery, probe }: Pair, settings: Settings & { readonly inUse: Side }): readonly MatrixPoint[] {
  const { maxDrop, maxFarRatio, confidence, inUse } = settings;
  const people = peopleWithGenuine(cell.scores);
  return cell.points.map((own, n): MatrixPoint => {
    const worse = at(gallery.points, n).tar <= at(probe.points, n).tar ? gallery : probe;
    const { tar } = at(worse.points, n);
    const { far } = own;
    const { threshold } = at(inUse.points, n);
    const atThresholdInUse = cell === inUse ? own : cellPointAt(cell.scores, { far, threshold });
    const drop = tar - own.tar;
    const holds = atThresholdInUse.fmr <= far * maxFarRatio && tar - atThresholdInUse.tar <= maxDrop;
    const mine = cell.tars?.[n];
    const theirs = worse.tars?.[n];
    return {
      kind: "matrix-point",
      far,
      own,
      ...(mine === undefined ? {} : { tarInterval: tarIntervalOf(mine, own, { people, confidence }) }),
      atThresholdInUse,
      drop,
      ...(mine === undefined || theirs === undefined
        ? {}
        : { dropInterval: differenceInterval(theirs, mine, { people, confidence }) }),
      verdict: drop > maxDrop ? "re-enrol" : holds ? "templates stay" : "re-fit threshold",
    };
  });
}

interface AdapterWork {
  readonly gallery: NamedEmbeddings;
  readonly probe: NamedEmbeddings;
  readonly design: CrossDesign;
  readonly bare: Side | undefined;
  readonly pair: Pair;
  readonly fars: readonly number[];
}

/** The simplest adapter that no other beats beyond chance, or why there is none. */
function adapterOf(
  work: AdapterWork,
  settings: Settings,
): (Omit<CellAdapter, "points"> & { readonly points: readonly MatrixPoint[] }) | string {
  const { gallery, probe, design, bare, pair, fars } = work;
  if (gallery.fit === undefined || probe.fit === undefined) return "there are no embeddings of other people to fit it to";
  const samples = { from: gallery.fit, to: probe.fit };
  const { confidence, maxDrop } = settings;
  const tried: { readonly kind: SpaceAdapter["kind"]; readonly adapter: SpaceAdapter; readonly side: Side }[] = [];
  try {
    for (const kind of ADAPTER_KINDS) {
      const adapter = fitAdapter(kind, samples);
      const mapped = applyAdapter(adapter, gallery.embeddings);
      const side = sideOf({ gallery: mapped, probe: probe.embeddings, design }, fars, {
        ...settings,
        thresholds: thresholdsOf(pair.probe),
      });
      tried.push({ kind, adapter, side });
    }
  } catch (error) {
    if (isTesseraError(error) && error.code === "INSUFFICIENT_DATA") return error.message;
    throw error;
  }
  const gainOver = (side: Side, other: Side) => {
    const [mine, theirs] = [side.tars?.[0], other.tars?.[0]];
    const people = peopleWithGenuine(side.scores);
    return {
      value: at(side.points, 0).tar - at(other.points, 0).tar,
      ...(mine === undefined || theirs === undefined
        ? {}
        : { interval: differenceInterval(mine, theirs, { people, confidence }) }),
    };
  };
  const chosen = tried.reduce((best, next) => {
    const { value, interval } = gainOver(next.side, best.side);
    return (interval?.low ?? value) > 0 ? next : best;
  });
  const points = pointsOf(chosen.side, pair, { ...settings, inUse: pair.probe });
  return {
    adapter: chosen.adapter,
    points,
    ...(bare === undefined ? {} : { gain: gainOver(chosen.side, bare) }),
    suffices: points.every((point) => point.drop <= maxDrop),
    tried: tried.map(({ kind, side }) => ({ kind, tar: at(side.points, 0).tar })),
  };
}

function worstVerdict(points: readonly (MatrixPoint | InsufficientData)[]): CellVerdict {
  const verdicts = points.flatMap((point) => (point.kind === "matrix-point" ? [point.verdict] : []));
  return (["re-enrol", "re-fit threshold", "templates stay"] as const).find((v) => verdicts.includes(v)) ?? "insufficient data";
}
