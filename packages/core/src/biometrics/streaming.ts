import { fail } from "../base/error.ts";
import { eachRow, type ScorePair, type ScoreSink, splitRow } from "./compare.ts";
import { type CrossDesign, countComparisons } from "./design.ts";
import { distributionOf, nextAbove, type ScoreDistribution, sortFloat32 } from "./scores.ts";
import type { Embeddings, ScoredPairs } from "./similarity.ts";

/** Options of {@link compareStreaming}. */
export interface StreamingOptions {
  /** Embeddings of the probe side; else the gallery's. */
  readonly probe?: Embeddings;
  /** Impostor scores kept exactly at most; at least half of them remain. Four bytes each. */
  readonly tailCapacity?: number;
}

/** Defaults of {@link compareStreaming}: enough for FAR 1e-3 of four thousand million comparisons. */
export const STREAMING_DEFAULTS = { tailCapacity: 8 * 1024 * 1024 } as const;

/**
 * {@link compareAll} for more impostor comparisons than fit in memory: genuine scores are all kept, of the impostor scores the highest ones
 * exactly and the others in bins 7.6e-6 wide. Every threshold at or above `impostor.exactFrom` is exact. Without single impostor
 * scores there is no bootstrap and no list of flips.
 *
 * @throws SCORES_INVALID for scores outside [-2, 2), which no cosine has.
 */
export function compareStreaming(
  gallery: Embeddings,
  design: CrossDesign,
  options: StreamingOptions = {},
): ScorePair & { readonly pairs: ScoredPairs } {
  const { genuine: count } = countComparisons(design);
  const pairs = { a: new Uint32Array(count), b: new Uint32Array(count), scores: new Float32Array(count) };
  const sink: ScoreSink = {
    genuine: pairs,
    impostor: new Float32Array(design.probe.length),
    genuineFilled: 0,
    impostorFilled: 0,
  };
  const collector = tailCollector(options.tailCapacity ?? STREAMING_DEFAULTS.tailCapacity);
  eachRow({ gallery, probe: options.probe ?? gallery, design }, (row) => {
    sink.impostorFilled = 0;
    splitRow(row, sink);
    collector.add(sink.impostor, sink.impostorFilled);
  });
  return { pairs, genuine: distributionOf(pairs.scores, "genuine"), impostor: collector.finish() };
}

/** Collects scores one batch at a time. */
export interface TailCollector {
  /** Takes the first `count` scores of a batch. */
  readonly add: (batch: Float32Array, count: number) => void;
  readonly finish: () => ScoreDistribution;
}

// Bins start at -2 and are 2^-17 wide, so that every edge is an exact float32.
const BINS_PER_UNIT = 1 << 17;
const BIN_COUNT = 4 * BINS_PER_UNIT;

/** A collector that keeps the highest `capacity / 2` to `capacity` scores exactly and counts the rest in bins. */
export function tailCollector(capacity: number): TailCollector {
  const tail = new Float32Array(Math.max(2, capacity));
  const bins = new Float64Array(BIN_COUNT);
  let kept = 0;
  let floor = Number.NEGATIVE_INFINITY;

  /** Makes room: everything up to the median leaves the tail for the bins. */
  const compact = (): void => {
    const sorted = sortFloat32(tail.subarray(0, kept));
    const half = sorted[(kept - 1) >>> 1] as number;
    floor = nextAbove(half, tail);
    let next = 0;
    for (let k = 0; k < kept; k++) {
      const score = tail[k] as number;
      if (score >= floor) tail[next++] = score;
      else countInBin(bins, score);
    }
    kept = next;
  };

  return {
    add: (batch, count) => {
      for (let k = 0; k < count; k++) {
        const score = batch[k] as number;
        if (!(score >= -2 && score < 2))
          throw fail("SCORES_INVALID", `Cannot collect the score ${score}: it lies outside [-2, 2)`);
        if (score < floor) {
          countInBin(bins, score);
          continue;
        }
        tail[kept++] = score;
        if (kept === tail.length) compact();
      }
    },
    finish: () => joinBinsAndTail(bins, sortFloat32(tail.subarray(0, kept)), floor),
  };
}

function countInBin(bins: Float64Array, score: number): void {
  const bin = Math.floor((score + 2) * BINS_PER_UNIT);
  bins[bin] = (bins[bin] as number) + 1;
}

function joinBinsAndTail(bins: Float64Array, tail: Float32Array, floor: number): ScoreDistribution {
  const used = bins.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  const values = new Float32Array(used + tail.length);
  if (values.length === 0) throw fail("SCORES_INVALID", "Cannot rank impostor scores: there are none");
  const before = new Float64Array(values.length + 1);
  // The bin that holds the floor may not reach past it.
  const ceiling = -nextAbove(-floor, tail);
  let filled = 0;
  let count = 0;
  bins.forEach((inBin, bin) => {
    if (inBin === 0) return;
    before[filled] = count;
    values[filled++] = Math.min((bin + 1) / BINS_PER_UNIT - 2, ceiling);
    count += inBin;
  });
  values.set(tail, used);
  for (let k = 0; k <= tail.length; k++) before[used + k] = count + k;
  const exactFrom = used === 0 ? Number.NEGATIVE_INFINITY : floor;
  return { kind: "distribution", count: count + tail.length, values, before, exactFrom };
}
