import { isTesseraError } from "../../base/error.ts";
import { memoryJournal, type Recall, type RecallCount, recallFrom, type SearchJournal } from "./journal.ts";
import { type Difference, type Judgement, lossInterval, prefer } from "./judgement.ts";
import { type Move, rangeMoves, shrinkMoves, startMoves, weightMoves } from "./moves.ts";
import { describePoint, keepingFloat, POINT_DEFAULTS, pointKey, type SearchPoint, withEntry } from "./point.ts";

/** Nodes that change to float together, and what that does. */
export interface GroupSensitivity {
  /** Of the first node. */
  readonly name: string;
  readonly op: string;
  readonly nodes: readonly string[];
  /** Activations that it makes, as far as they have an encoding. */
  readonly tensors: readonly string[];
  /** Spread of shifts near the threshold, and flips there, when nothing but this group is in integers. */
  readonly alone: { readonly spread: number; readonly flips: number };
  /** The same when everything is in integers. */
  readonly whole: { readonly spread: number; readonly flips: number };
  /** And when everything but this group is; absent where it was not measured. */
  readonly without?: { readonly spread: number; readonly flips: number };
  readonly nearPairs: number;
  /** What computing it in float adds to a run, as a share of the whole run in integers; may be below zero. */
  readonly timeShare: number;
}

/** What a search asks the world. Every answer must depend on its arguments alone. */
export interface SearchBench {
  readonly judge: (point: SearchPoint) => Promise<Judgement>;
  readonly sensitivity: (
    point: SearchPoint,
    reverted: boolean,
    onGroup?: (done: number, total: number) => void,
  ) => Promise<readonly GroupSensitivity[]>;
  /** The ranges that a point gives to activations, by name. */
  /** The range of the embedding's own grid that turns embeddings least; `undefined` where it stays in float. */
  readonly embeddingRange?: (
    point: SearchPoint,
  ) => Promise<{ readonly tensor: string; readonly min: number; readonly max: number } | undefined>;
  readonly rangesOf: (point: SearchPoint) => Promise<ReadonlyMap<string, { readonly min: number; readonly max: number }>>;
}

/** How far a search goes. */
export interface SearchDepth {
  /** Tensors whose range is searched by itself. */
  readonly tensors: number;
  /** Most node groups in float in the chain. */
  readonly groups: number;
  /** Single groups tried in float before the chain is laid. */
  readonly tries: number;
  /** Measure also what each group gains in float, beside what it costs alone in integers. */
  readonly reverted: boolean;
}

/**
 * Depths by name. On a MobileFaceNet, twelve ranges of single tensors gained nothing that people could show, where rounding by inputs took a fifth off
 * the spread: few tensors are enough.
 */
export const SEARCH_DEPTHS = {
  quick: { tensors: 2, groups: 2, tries: 3, reverted: false },
  full: { tensors: 6, groups: 8, tries: 6, reverted: true },
} as const satisfies Readonly<Record<string, SearchDepth>>;

/** Options of {@link searchPlan}. */
export interface SearchOptions {
  readonly depth?: SearchDepth;
  /** TAR that may be lost, a fraction: nodes go to float only while the interval of the loss reaches beyond it. */
  readonly maxLoss?: number;
  /** Methods that the bench's points cannot have; their moves are left out. */
  readonly without?: { readonly secondOrder?: boolean; readonly correctBias?: boolean };
  readonly journal?: SearchJournal;
  readonly onStep?: (step: SearchStep, progress: { readonly done: number; readonly expected: number }) => void;
  readonly signal?: AbortSignal;
}

/** Defaults of {@link SearchOptions}. */
export const SEARCH_DEFAULTS = { depth: SEARCH_DEPTHS.full } as const satisfies SearchOptions;

/** Something tried, with its figures. */
export interface SearchStep {
  readonly stage: string;
  /** What was tried. */
  readonly says: string;
  readonly accepted: boolean;
  readonly why: string;
  /** Of the point that was judged. */
  readonly point: string;
  readonly loss: Difference;
  /** Against the best point before it. */
  readonly versus?: Difference;
  readonly judgement: Omit<Judgement, "influence">;
}

/** A point of the final chain. */
export interface ChainPoint {
  readonly key: string;
  readonly point: SearchPoint;
  readonly says: string;
  readonly judgement: Judgement;
  /** Groups in float, in the order in which they went there. */
  readonly groups: readonly string[];
  /** Predicted time, of that of the first point of the chain. */
  readonly timeRatio: number;
  /** Whether it beats the chain's points before it. */
  readonly gains: boolean;
}

/** What a search found. */
export interface SearchResult {
  /** Quantization without any of the search's care: min-max ranges, channels as they came. */
  readonly plain: ChainPoint;
  /** From all integers to ever more nodes in float. */
  readonly chain: readonly ChainPoint[];
  readonly steps: readonly SearchStep[];
  /** At the best point of one range method for all tensors. */
  readonly sensitivity: readonly GroupSensitivity[];
  readonly stopped: string;
  /** Points judged by this run, and answers that the journal gave. */
  readonly evaluations: number;
  readonly recalled: number;
}

/** A search under way. */
interface Walk {
  readonly bench: SearchBench;
  readonly recall: Recall;
  readonly options: SearchOptions & { readonly depth: SearchDepth };
  readonly steps: SearchStep[];
  expected: number;
}

interface Place {
  readonly point: SearchPoint;
  readonly judgement: Judgement;
}

/**
 * Looks for the way to quantize a network that loses least of its rate at the operating point, and for what it costs to lose less.
 *
 * In stages, each from the best point of the one before: range methods for all tensors, with channels equalized and not; ranges of the tensors that
 * cost most, and of the embedding; weights rounded by what their inputs are like; biases corrected; then node groups one after the other in float, by what that gains
 * for its time. A step is taken by the rule of {@link prefer}. Nothing is random and nothing depends on time: the same bench gives the same result, and a
 * journal of an interrupted run saves the work that it had done.
 */
export async function searchPlan(bench: SearchBench, options: SearchOptions = {}): Promise<SearchResult> {
  const count: RecallCount = { computed: 0, recalled: 0 };
  const depth = options.depth ?? SEARCH_DEFAULTS.depth;
  const recall = recallFrom(options.journal ?? memoryJournal(), count);
  const starts = startMoves();
  // Two or three shrinks a tensor is what it takes on average.
  const expected = starts.length + depth.tensors * 3 + 4 + depth.tries + Math.ceil(Math.log2(depth.groups)) + 1;
  const walk: Walk = { bench, recall, options: { ...options, depth }, steps: [], expected };

  let best: Place = { point: POINT_DEFAULTS, judgement: await judge(walk, POINT_DEFAULTS) };
  note(walk, { stage: "start", says: describePoint(best.point), accepted: true, why: "where the search starts" }, best.judgement);
  best = await tryAll(walk, best, "ranges", starts);
  const plain = await plainPoint(walk);
  const sensitivity = await sensitivityOf(walk, best.point);
  for (const tensor of costliest(sensitivity, depth.tensors)) best = await searchRange(walk, best, tensor);
  best = await embeddingScale(walk, best);
  best = await tryAll(walk, best, "weights", weightMoves(best.point, options.without ?? {}));
  const { chain, stopped } = await layChain(walk, best, sensitivity);
  return {
    plain,
    chain,
    steps: walk.steps,
    sensitivity,
    stopped,
    evaluations: count.computed,
    recalled: count.recalled,
  };
}

async function judge(walk: Walk, point: SearchPoint): Promise<Judgement> {
  walk.options.signal?.throwIfAborted();
  return walk.recall(`judgement ${pointKey(point)}`, () => walk.bench.judge(point));
}

/** Judges a point with nodes in float; `undefined` where the target's rules allow no such plan. */
async function judgeMixed(walk: Walk, point: SearchPoint): Promise<Judgement | undefined> {
  try {
    return await judge(walk, point);
  } catch (error) {
    if (isTesseraError(error) && (error.code === "PLAN_INVALID" || error.code === "TARGET_RULE")) return undefined;
    throw error;
  }
}

async function sensitivityOf(walk: Walk, point: SearchPoint): Promise<readonly GroupSensitivity[]> {
  walk.options.signal?.throwIfAborted();
  const { reverted } = walk.options.depth;
  return walk.recall(`sensitivity ${pointKey(point)}`, () => walk.bench.sensitivity(point, reverted));
}

function note(
  walk: Walk,
  step: Pick<SearchStep, "stage" | "says" | "accepted" | "why"> & { readonly versus?: Difference; readonly point?: string },
  judgement: Judgement,
): void {
  const { influence: _, ...figures } = judgement;
  const { stage, says, accepted, why, versus } = step;
  const made: SearchStep = {
    stage,
    says,
    accepted,
    why,
    point: step.point ?? "",
    loss: lossInterval(judgement),
    ...(versus === undefined ? {} : { versus }),
    judgement: figures,
  };
  walk.steps.push(made);
  walk.expected = Math.max(walk.expected, walk.steps.length);
  walk.options.onStep?.(made, { done: walk.steps.length, expected: walk.expected });
}

/** Judges one move from a place and takes it or not. */
async function tryMove(walk: Walk, best: Place, stage: string, move: Move): Promise<Place> {
  const point = move.to(best.point);
  const judgement = await judge(walk, point);
  const { accepted, why, difference } = prefer(best.judgement, judgement);
  note(walk, { stage, says: move.says, accepted, why, versus: difference, point: pointKey(point) }, judgement);
  return accepted ? { point, judgement } : best;
}

async function tryAll(walk: Walk, start: Place, stage: string, moves: readonly Move[]): Promise<Place> {
  let best = start;
  for (const move of moves) best = await tryMove(walk, best, stage, move);
  return best;
}

/** Ranges of single tensors: tighter as long as that gains; where it does not at once, wider. */
async function searchRange(walk: Walk, start: Place, tensor: string): Promise<Place> {
  const range = (await walk.bench.rangesOf(start.point)).get(tensor);
  if (range === undefined) return start;
  let best = start;
  for (const moves of [shrinkMoves(tensor, range), rangeMoves(tensor, range)]) {
    for (const move of moves) {
      const next = await tryMove(walk, best, "ranges of single tensors", move);
      if (next === best) break;
      best = next;
    }
    if (best !== start) break;
  }
  return best;
}

async function embeddingScale(walk: Walk, best: Place): Promise<Place> {
  const { embeddingRange } = walk.bench;
  if (embeddingRange === undefined) return best;
  const none = { tensor: "", min: 0, max: 0 };
  const { tensor, min, max } = await walk.recall(
    `embedding ${pointKey(best.point)}`,
    async () => (await embeddingRange(best.point)) ?? none,
  );
  if (tensor === "") return best;
  const says = `${tensor}: the range that turns embeddings least, [${min.toPrecision(4)}, ${max.toPrecision(4)}]`;
  const to = (point: SearchPoint): SearchPoint => ({ ...point, ranges: withEntry(point.ranges, tensor, { min, max }) });
  return tryMove(walk, best, "embedding", { says, to });
}

/** Activations of the groups that cost most by themselves. */
function costliest(groups: readonly GroupSensitivity[], count: number): readonly string[] {
  const ordered = [...groups].sort((a, b) => b.alone.spread - a.alone.spread || (a.name < b.name ? -1 : 1));
  return [...new Set(ordered.flatMap((g) => g.tensors))].slice(0, count);
}

/** What quantizers do unasked: all that was seen is the range, and channels stay as they came. */
const PLAIN: SearchPoint = { ...POINT_DEFAULTS, method: "min-max", equalize: false };

async function plainPoint(walk: Walk): Promise<ChainPoint> {
  const place = { point: PLAIN, judgement: await judge(walk, PLAIN) };
  return chainPoint(place, { says: `plain: ${describePoint(PLAIN)}`, groups: [], timeRatio: 1, gains: true });
}

function chainPoint(place: Place, about: Pick<ChainPoint, "says" | "groups" | "timeRatio" | "gains">): ChainPoint {
  return { key: pointKey(place.point), ...place, ...about };
}

/**
 * What a group in float gains for the time it costs: how much the square of the spread falls, over its time share. Where that was not measured, the
 * square of what it scatters alone stands for it: noise of different layers adds up in squares.
 */
function worthOf({ alone, whole, without, timeShare }: GroupSensitivity): number {
  const gain = without === undefined ? alone.spread ** 2 : whole.spread ** 2 - without.spread ** 2;
  return gain / Math.max(LEAST_SHARE, timeShare);
}

/** Groups that cost next to nothing count as if they cost this share of a run: no prediction is that exact. */
const LEAST_SHARE = 2e-3;

async function layChain(
  walk: Walk,
  start: Place,
  sensitivity: readonly GroupSensitivity[],
): Promise<{ readonly chain: readonly ChainPoint[]; readonly stopped: string }> {
  const { depth, maxLoss } = walk.options;
  const chain = [chainPoint(start, { says: "all in integers", groups: [], timeRatio: 1, gains: true })];
  const enough = (judgement: Judgement): boolean => maxLoss !== undefined && lossInterval(judgement).high <= maxLoss;
  const within = `the interval of the loss lies within ${((maxLoss ?? 0) * 100).toFixed(2)} points`;
  // Within the budget, time is not spent on more; what costs next to none is taken all the same.
  const isEnough = enough(start.judgement);
  const ranked = sensitivity
    .filter((g) => worthOf(g) > 0 && (!isEnough || g.timeShare <= LEAST_SHARE))
    .sort((a, b) => worthOf(b) - worthOf(a) || (a.name < b.name ? -1 : 1));
  if (isEnough && ranked.length === 0) return { chain, stopped: `all in integers ${within}` };
  // What sensitivity promises on few samples is judged for the best of them before they are put together.
  const tried: { readonly group: GroupSensitivity; readonly worth: number }[] = [];
  for (const group of ranked.slice(0, depth.tries)) {
    const point = keepingFloat(start.point, group.nodes);
    const judgement = await judgeMixed(walk, point);
    if (judgement === undefined) continue;
    const { accepted, why, difference } = prefer(start.judgement, judgement);
    const says = `${group.name} (${group.op}) in float`;
    note(walk, { stage: "mixed precision", says, accepted, why, versus: difference, point: pointKey(point) }, judgement);
    if (accepted) tried.push({ group, worth: (start.judgement.loss - judgement.loss) / Math.max(LEAST_SHARE, group.timeShare) });
  }
  if (tried.length === 0 && isEnough) return { chain, stopped: `all in integers ${within}` };
  if (tried.length === 0) return { chain, stopped: "no node in float gains anything that the people of the search can show" };
  tried.sort((a, b) => b.worth - a.worth || (a.group.name < b.group.name ? -1 : 1));
  const sure = tried.map((t) => t.group);
  const order = [...sure, ...ranked.slice(depth.tries)];
  let best = start;
  let timeRatio = 1;
  const groups: GroupSensitivity[] = [];
  for (const size of sizes(Math.min(depth.groups, order.length))) {
    for (const group of order.slice(groups.length, size)) {
      groups.push(group);
      timeRatio += group.timeShare;
    }
    const point = keepingFloat(
      start.point,
      groups.flatMap((g) => g.nodes),
    );
    const judgement = await judgeMixed(walk, point);
    if (judgement === undefined)
      return { chain, stopped: `the target's rules allow no plan with ${groups.length} groups in float` };
    const { accepted, why, difference } = prefer(best.judgement, judgement);
    const says = `${size} ${size === 1 ? "group" : "groups"} in float: ${groups.map((g) => g.name).join(", ")}`;
    note(walk, { stage: "mixed precision", says, accepted, why, versus: difference, point: pointKey(point) }, judgement);
    chain.push(chainPoint({ point, judgement }, { says, groups: groups.map((g) => g.name), timeRatio, gains: accepted }));
    if (!accepted) return { chain, stopped: "more nodes in float gain nothing" };
    best = { point, judgement };
    if (!isEnough && enough(judgement)) return { chain, stopped: `with ${says} ${within}` };
  }
  const stopped = isEnough
    ? `all in integers ${within}; groups that cost next to no time in float gained still`
    : `${groups.length} groups in float are as many as were allowed`;
  return { chain, stopped };
}

function sizes(most: number): readonly number[] {
  const all: number[] = [];
  for (let size = 1; size <= most; size *= 2) all.push(size);
  return all;
}
