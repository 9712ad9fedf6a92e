import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { aliasTable, type ComparisonDesign, type CrossDesign, countComparisons, locateImpostors } from "./design.ts";
import { distributionOf, type ScoreDistribution, type Scores } from "./scores.ts";
import {
  BLOCK_COLUMNS,
  BLOCK_ROWS,
  type Embeddings,
  type IndexPairs,
  type ScoredPairs,
  scoreBlock,
  scorePairs,
  widenRows,
} from "./similarity.ts";

/** The scores of all comparisons of a design, in its order. */
export interface ComparisonScores {
  readonly kind: "comparisons";
  readonly design: ComparisonDesign;
  readonly genuine: ScoredPairs;
  /** One score per impostor comparison; who they were is recovered with {@link locateImpostors}. */
  readonly impostor: Float32Array;
}

/** Options of {@link compareAll}. */
export interface CompareOptions {
  /** Embeddings of the probe side, when another model (or another list of items) makes them; else the gallery's. */
  readonly probe?: Embeddings;
  /** Impostor comparisons kept in memory at most; more need {@link compareStreaming}. */
  readonly maxImpostors?: number;
}

/** Defaults of {@link compareAll}: 64 M float32 scores are 256 MiB. */
export const COMPARE_DEFAULTS = { maxImpostors: 64 * 1024 * 1024 } as const;

/**
 * Makes every comparison of the design once, on L2-normalised embeddings: cosine similarity.
 *
 * @throws SCORES_INVALID when embeddings and design do not fit, LIMIT_EXCEEDED beyond `maxImpostors`.
 * @example
 * const scores = compareAll(normaliseRows(set), allPairs(subjects));
 * scores.genuine.scores.length; // LFW folds 1-5: 4,414
 */
export function compareAll(gallery: Embeddings, design: ComparisonDesign, options: CompareOptions = {}): ComparisonScores {
  const probe = options.probe ?? gallery;
  checkFit(gallery, probe, design);
  if (design.kind === "listed") {
    const genuine = { ...design.genuine, scores: scorePairs(gallery, design.genuine, { probe }) };
    return { kind: "comparisons", design, genuine, impostor: scorePairs(gallery, design.impostor, { probe }) };
  }
  if (design.kind === "unordered" && probe !== gallery)
    throw fail(
      "SCORES_INVALID",
      "Cannot enrol with one model and probe with another in an unordered design: half the directions would be missing",
      {
        hint: "Use allPairs(subjects, { ordered: true })",
      },
    );
  const counts = countComparisons(design);
  const limit = options.maxImpostors ?? COMPARE_DEFAULTS.maxImpostors;
  if (counts.impostor > limit)
    throw fail("LIMIT_EXCEEDED", `Cannot keep ${counts.impostor} impostor scores: the limit maxImpostors is ${limit}`, {
      hint: "Use compareStreaming, which keeps the tail exactly",
    });
  const impostor = new Float32Array(counts.impostor);
  const genuine = emptyPairs(counts.genuine);
  const sink: ScoreSink = { genuine, impostor, genuineFilled: 0, impostorFilled: 0 };
  eachRow({ gallery, probe, design }, (row) => splitRow(row, sink));
  return { kind: "comparisons", design, genuine, impostor };
}

/** One gallery item against its probes: `scores[j - from]` for `from <= j < to`. */
export interface ScoredRow {
  readonly design: CrossDesign;
  readonly aliases: ReadonlySet<number> | undefined;
  readonly item: number;
  readonly from: number;
  readonly to: number;
  /** Shared buffer; the scores of the row start at `offset`. */
  readonly scores: Float32Array;
  readonly offset: number;
}

/** Scores a cross design row by row in its order, calling `visit` once a row. The row's buffer is reused. */
export function eachRow(
  work: { readonly gallery: Embeddings; readonly probe: Embeddings; readonly design: CrossDesign },
  visit: (row: ScoredRow) => void,
): void {
  const { gallery, probe, design } = work;
  const { dim } = gallery;
  const columns = design.probe.length;
  const stride = Math.ceil(columns / 4) * 4 + BLOCK_COLUMNS;
  const scores = new Float32Array(BLOCK_ROWS * stride);
  const left = new Float64Array(BLOCK_ROWS * dim);
  const right = new Float64Array(BLOCK_COLUMNS * dim);
  const table = aliasTable(design.aliases);
  const triangular = design.kind === "unordered";
  for (let first = 0; first < gallery.count; first += BLOCK_ROWS) {
    const rows = Math.min(BLOCK_ROWS, gallery.count - first);
    widenRows(gallery, { first, rows, into: left });
    const start = triangular ? first : 0;
    for (let column = start; column < columns; column += BLOCK_COLUMNS) {
      const width = Math.min(BLOCK_COLUMNS, columns - column);
      widenRows(probe, { first: column, rows: width, into: right });
      scoreBlock(left, right, { rows, columns: width, dim, stride, into: scores.subarray(column - start) });
    }
    for (let i = 0; i < rows; i++) {
      const item = first + i;
      const from = triangular ? item + 1 : 0;
      const aliases = table.get(at(design.gallery, item));
      visit({ design, aliases, item, from, to: columns, scores, offset: i * stride + from - start });
    }
  }
}

/** Where scores go, with how far each list is filled. */
export interface ScoreSink {
  readonly genuine: ScoredPairs;
  readonly impostor: Float32Array;
  genuineFilled: number;
  impostorFilled: number;
}

/** Sorts one row into genuine and impostor scores, appending to the sink. */
export function splitRow(row: ScoredRow, sink: ScoreSink): void {
  const { genuine, impostor } = sink;
  const { probe, kind } = row.design;
  const { aliases, item, to, scores } = row;
  const subject = at(row.design.gallery, item);
  const shift = row.offset - row.from;
  const skipSelf = kind === "ordered";
  let g = sink.genuineFilled;
  let n = sink.impostorFilled;
  for (let j = row.from; j < to; j++) {
    const other = probe[j] as number;
    if (other !== subject) {
      if (aliases?.has(other) === true) continue;
      impostor[n++] = scores[shift + j] as number;
    } else if (!(skipSelf && j === item)) {
      genuine.a[g] = item;
      genuine.b[g] = j;
      genuine.scores[g++] = scores[shift + j] as number;
    }
  }
  sink.genuineFilled = g;
  sink.impostorFilled = n;
}

function emptyPairs(count: number): ScoredPairs {
  return { a: new Uint32Array(count), b: new Uint32Array(count), scores: new Float32Array(count) };
}

function checkFit(gallery: Embeddings, probe: Embeddings, design: ComparisonDesign): void {
  if (gallery.dim !== probe.dim)
    throw fail("SCORES_INVALID", `Cannot compare embeddings of dimension ${gallery.dim} with ${probe.dim}`);
  if (gallery.count !== design.gallery.length || probe.count !== design.probe.length)
    throw fail(
      "SCORES_INVALID",
      `Cannot compare: ${gallery.count} and ${probe.count} embeddings for ${design.gallery.length} and ${design.probe.length} items`,
    );
}

/** Scores that came from elsewhere (another engine, a file), in the order of the design. @throws SCORES_INVALID on a count that differs. */
export function scoresFor(
  design: ComparisonDesign,
  scores: { readonly genuine: Float32Array; readonly impostor: Float32Array },
): ComparisonScores {
  const { genuine, impostor } = scores;
  const counts = countComparisons(design);
  if (genuine.length !== counts.genuine || impostor.length !== counts.impostor)
    throw fail(
      "SCORES_INVALID",
      `Cannot use ${genuine.length} genuine and ${impostor.length} impostor scores: the design makes ${counts.genuine} and ${counts.impostor} comparisons`,
    );
  return { kind: "comparisons", design, genuine: { ...genuinePairs(design), scores: genuine }, impostor };
}

/** The items of the genuine comparisons of a design, in its order. */
export function genuinePairs(design: ComparisonDesign): IndexPairs {
  if (design.kind === "listed") return design.genuine;
  const a: number[] = [];
  const b: number[] = [];
  const itemsOf = new Map<number, number[]>();
  design.probe.forEach((subject, item) => {
    const known = itemsOf.get(subject);
    if (known === undefined) itemsOf.set(subject, [item]);
    else known.push(item);
  });
  design.gallery.forEach((subject, item) => {
    for (const other of itemsOf.get(subject) ?? []) {
      if (design.kind === "unordered" ? other <= item : design.kind === "ordered" && other === item) continue;
      a.push(item);
      b.push(other);
    }
  });
  return { a: Uint32Array.from(a), b: Uint32Array.from(b) };
}

/** Impostor comparisons that reach the threshold, best first: who would get in. Ties keep the order of the design. */
export function impostorsAtLeast(scores: ComparisonScores, threshold: number): ScoredPairs {
  const { impostor } = scores;
  let count = 0;
  for (let k = 0; k < impostor.length; k++) if ((impostor[k] as number) >= threshold) count++;
  const places = new Uint32Array(count);
  for (let k = 0, n = 0; k < impostor.length; k++) if ((impostor[k] as number) >= threshold) places[n++] = k;
  const pairs = locateImpostors(scores.design, places);
  const order = Uint32Array.from(places, (_, n) => n).sort(
    (x, y) => at(impostor, at(places, y)) - at(impostor, at(places, x)) || x - y,
  );
  return {
    a: order.map((n) => at(pairs.a, n)),
    b: order.map((n) => at(pairs.b, n)),
    scores: Float32Array.from(order, (n) => at(impostor, at(places, n))),
  };
}

/** Both classes, sorted: what the rates of this room are computed from. */
export interface ScorePair {
  readonly genuine: ScoreDistribution;
  readonly impostor: ScoreDistribution;
}

/** Sorts both classes. @throws SCORES_INVALID when a class is empty or a score is not finite. */
export function rankScores(scores: { readonly genuine: Scores | ScoredPairs; readonly impostor: Scores }): ScorePair {
  const genuine = "scores" in scores.genuine ? scores.genuine.scores : scores.genuine;
  return { genuine: distributionOf(genuine, "genuine"), impostor: distributionOf(scores.impostor, "impostor") };
}
