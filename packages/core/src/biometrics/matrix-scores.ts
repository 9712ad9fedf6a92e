import { at, invariant } from "../base/assert.ts";
import { clopperPearson } from "./binomial.ts";
import { tarInterval } from "./bootstrap.ts";
import { eachRow } from "./compare.ts";
import { type CrossDesign, countComparisons } from "./design.ts";
import { type Interval, type OperatingPoint, permittedFalseMatches } from "./rates.ts";
import {
  type BootstrapOptions,
  eachResample,
  percentileInterval,
  type ResampleView,
  weightedFnmr,
  weightedThreshold,
} from "./resample.ts";
import { lowerBound, nextAbove, sortFloat32 } from "./scores.ts";
import type { Embeddings } from "./similarity.ts";

/**
 * What the rates of one cell are computed from: every genuine score, but of the impostors only the best ones, exactly, since no rate at a low FAR
 * looks further down. A cell of ten million comparisons keeps some ten thousand of them.
 */
export interface CellScores {
  readonly design: CrossDesign;
  readonly view: ResampleView;
  readonly genuineCount: number;
  readonly impostorCount: number;
  /** How many impostor comparisons reach each of the asked thresholds. */
  readonly reaching: ReadonlyMap<number, number>;
}

/** What {@link scoreCell} keeps and counts. */
export interface CellOptions {
  /** Best impostors that are kept at least, where there are as many. */
  readonly depth: number;
  readonly thresholds: readonly number[];
}

/** Makes every comparison of a cell once and keeps what its rates need. @throws SCORES_INVALID when embeddings and design do not fit */
export function scoreCell(
  work: { readonly gallery: Embeddings; readonly probe: Embeddings; readonly design: CrossDesign },
  { depth, thresholds }: CellOptions,
): CellScores {
  const { design } = work;
  const counts = countComparisons(design);
  const genuine = new Float32Array(counts.genuine);
  const genuinePerson = new Int32Array(counts.genuine);
  const tail = createTail(depth);
  const reaching = thresholds.map(() => 0);
  const lowest = thresholds.reduce((low, threshold) => Math.min(low, threshold), Number.POSITIVE_INFINITY);
  const skipSelf = design.kind === "ordered";
  let found = 0;
  eachRow(work, ({ aliases, item, from, to, scores, offset }) => {
    const subject = at(design.gallery, item);
    const { probe } = design;
    let floor = Math.min(lowest, tail.floor());
    for (let j = from, k = offset; j < to; j++, k++) {
      const other = probe[j] as number;
      const score = scores[k] as number;
      if (other === subject) {
        if (skipSelf && j === item) continue;
        genuinePerson[found] = subject;
        genuine[found++] = score;
      } else if (score >= floor && aliases?.has(other) !== true) {
        for (let t = 0; t < thresholds.length; t++)
          if (score >= (thresholds[t] as number)) reaching[t] = (reaching[t] as number) + 1;
        tail.add(score, item, j);
        floor = Math.min(lowest, tail.floor());
      }
    }
  });
  const order = Uint32Array.from(genuine, (_, k) => k).sort((x, y) => at(genuine, x) - at(genuine, y));
  const genuineOf = new Float64Array(design.people);
  for (const person of genuinePerson) genuineOf[person] = at(genuineOf, person) + 1;
  const best = tail.finish();
  return {
    design,
    genuineCount: counts.genuine,
    impostorCount: counts.impostor,
    reaching: new Map(thresholds.map((threshold, t) => [threshold, at(reaching, t)])),
    view: {
      genuine: Float32Array.from(order, (k) => at(genuine, k)),
      genuinePerson: Int32Array.from(order, (k) => at(genuinePerson, k)),
      genuineOf,
      tail: best.scores,
      tailLeft: Int32Array.from(best.left, (item) => at(design.gallery, item)),
      tailRight: Int32Array.from(best.right, (item) => at(design.probe, item)),
      tailIsAll: best.scores.length === counts.impostor,
    },
  };
}

interface Tail {
  /** Scores below it need not be added. */
  floor(): number;
  add(score: number, left: number, right: number): void;
  /** Best first; ties in the order of the design. */
  finish(): { readonly scores: Float32Array; readonly left: Uint32Array; readonly right: Uint32Array };
}

/** Collects at least the `depth` best scores, with every tie of the last of them. */
function createTail(depth: number): Tail {
  let capacity = 2 * depth + 1024;
  let scores = new Float32Array(capacity);
  let left = new Uint32Array(capacity);
  let right = new Uint32Array(capacity);
  let kept = 0;
  let floor = Number.NEGATIVE_INFINITY;
  const compact = (): void => {
    floor = at(sortFloat32(scores.subarray(0, kept)), kept - depth);
    let next = 0;
    for (let k = 0; k < kept; k++) {
      if ((scores[k] as number) < floor) continue;
      scores[next] = scores[k] as number;
      left[next] = left[k] as number;
      right[next++] = right[k] as number;
    }
    kept = next;
    // Ties may leave hardly anything to drop.
    if (kept > capacity / 1.5) grow();
  };
  const grow = (): void => {
    capacity *= 2;
    const [s, l, r] = [new Float32Array(capacity), new Uint32Array(capacity), new Uint32Array(capacity)];
    s.set(scores);
    l.set(left);
    r.set(right);
    [scores, left, right] = [s, l, r];
  };
  return {
    floor: () => floor,
    add: (score, a, b) => {
      if (score < floor) return;
      scores[kept] = score;
      left[kept] = a;
      right[kept++] = b;
      if (kept === capacity) compact();
    },
    finish: () => {
      const order = Uint32Array.from({ length: kept }, (_, k) => k).sort((x, y) => at(scores, y) - at(scores, x) || x - y);
      return {
        scores: Float32Array.from(order, (k) => at(scores, k)),
        left: Uint32Array.from(order, (k) => at(left, k)),
        right: Uint32Array.from(order, (k) => at(right, k)),
      };
    },
  };
}

/** Best impostors that nearly every resample needs at a FAR, of `count` comparisons. */
export function cellDepth(far: number, count: number): number {
  return Math.min(count, Math.ceil(permittedFalseMatches(far, count) * 2.2) + 4000);
}

/** The point at a FAR with the cell's own threshold; {@link permittedFalseMatches} must be fewer than the tail holds. */
export function cellPoint(cell: CellScores, far: number): OperatingPoint {
  const { tail } = cell.view;
  const threshold = nextAbove(at(tail, permittedFalseMatches(far, cell.impostorCount)), tail);
  let falseMatches = 0;
  while ((tail[falseMatches] as number) >= threshold) falseMatches++;
  return pointOf(cell, { far, threshold, falseMatches });
}

/** The point at one of the thresholds that were asked for; `far` is only noted. */
export function cellPointAt(cell: CellScores, asked: { readonly far: number; readonly threshold: number }): OperatingPoint {
  const falseMatches = cell.reaching.get(asked.threshold);
  invariant(falseMatches !== undefined, `threshold ${asked.threshold} was not counted`);
  return pointOf(cell, { ...asked, falseMatches });
}

function pointOf(
  { view, genuineCount, impostorCount }: CellScores,
  { far, threshold, falseMatches }: { readonly far: number; readonly threshold: number; readonly falseMatches: number },
): OperatingPoint {
  const falseNonMatches = lowerBound(view.genuine, threshold);
  return {
    kind: "operating-point",
    far,
    threshold,
    fmr: falseMatches / impostorCount,
    fnmr: falseNonMatches / genuineCount,
    tar: 1 - falseNonMatches / genuineCount,
    falseMatches,
    falseNonMatches,
    genuineCount,
    impostorCount,
    exact: true,
  };
}

/**
 * TAR at each FAR in each resample of people, thresholds re-fitted in each: f64[fars][replicates]. Same options and people, same resamples, in
 * whatever cell: subtracting two gives a paired difference. `undefined` when a resample needs more impostors than the cell kept.
 */
export function resampledTars(
  cell: CellScores,
  fars: readonly number[],
  options: Required<BootstrapOptions>,
): readonly Float64Array[] | undefined {
  const tars = fars.map(() => new Float64Array(options.replicates));
  const { view } = cell;
  let replicate = 0;
  let short = false;
  eachResample(cell.design, options, (resample) => {
    if (short) return;
    const draw = { view, resample };
    fars.forEach((far, n) => {
      const threshold = resample.impostorWeight > 0 ? weightedThreshold(draw, far) : Number.NaN;
      if (threshold === undefined) short = true;
      else at(tars, n)[replicate] = 1 - weightedFnmr(draw, threshold);
    });
    replicate++;
  });
  return short ? undefined : tars;
}

/** The interval of a TAR from its replicates. */
export function tarIntervalOf(
  tars: Float64Array,
  point: OperatingPoint,
  facts: { readonly people: number; readonly confidence: number },
): Interval {
  const { people, confidence } = facts;
  const { low, high } = percentileInterval(tars, confidence);
  return tarInterval({ low, high, confidence, method: "subject-bootstrap" }, point, people);
}

/** The interval of a - b from paired replicates; where no resample shows a difference, the bound that `people` without one give. */
export function differenceInterval(
  a: Float64Array,
  b: Float64Array,
  facts: { readonly people: number; readonly confidence: number },
): Interval {
  const { people, confidence } = facts;
  const { low, high } = percentileInterval(
    a.map((value, k) => value - at(b, k)),
    confidence,
  );
  if (low !== 0 || high !== 0 || a === b) return { low, high, confidence, method: "paired-subject-bootstrap" };
  const bound = clopperPearson(0, people, { confidence }).high;
  return { low: -bound, high: bound, confidence, method: "clopper-pearson-over-people" };
}

/** People with a genuine comparison. */
export function peopleWithGenuine({ view }: CellScores): number {
  return view.genuineOf.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
}
