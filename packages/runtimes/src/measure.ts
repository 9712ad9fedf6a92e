import { fail } from "@tessera/core/base/error";
import { seededRandom } from "@tessera/core/base/random";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { type Estimate, medianWithInterval, quantile, shuffled } from "./statistics.ts";

/** One of the sessions that are timed against each other. */
export interface Contestant {
  readonly name: string;
  readonly session: Session;
  readonly feeds: Feeds;
}

/** Options of {@link measureInterleaved}. */
export interface MeasureOptions {
  /** Turns of each session; 30 unless given. */
  readonly rounds?: number;
  /** Timed runs in a turn; 5 unless given. */
  readonly runs?: number;
  /** Runs before the timed ones in each turn, to bring caches and threads back; 2 unless given. */
  readonly warmup?: number;
  /** Seed of the order within rounds and of the intervals. */
  readonly seed?: number;
  /** Called after each round. */
  readonly onRound?: (done: number, of: number) => void;
  /** Ends the measurement between turns. */
  readonly signal?: AbortSignal;
}

/** What {@link MeasureOptions} leave out. */
export const MEASURE_DEFAULTS = { rounds: 30, runs: 5, warmup: 2, seed: 1 } as const satisfies MeasureOptions;

/** How long the runs of one contestant took. */
export interface LatencyRow {
  readonly name: string;
  readonly runs: number;
  /** Wall time quantiles over all timed runs, milliseconds. */
  readonly minMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  /**
   * Processor time of a run, milliseconds, median over rounds. It counts all of the process where Node cannot tell threads apart (before
   * 23.9), and stays within 10-20 % when other load doubles the wall time.
   */
  readonly cpuMs: number;
  /** How many times faster than the first contestant: median over rounds of the ratio of wall times in the same round, 95 % interval. */
  readonly speedup: Estimate;
  /** The same from processor times. */
  readonly cpuSpeedup: Estimate;
}

/** Result of {@link measureInterleaved}; plain JSON. */
export interface LatencyReport {
  readonly kind: "latency";
  readonly rounds: number;
  readonly runsPerRound: number;
  /** The name that speed-ups refer to. */
  readonly baseline: string;
  readonly rows: readonly LatencyRow[];
}

function checked(name: "rounds" | "runs", value: number): number {
  if (!(Number.isInteger(value) && value >= 1))
    throw fail("RUNTIME_FAILED", `Cannot measure: ${name} must be a whole number above 0, not ${value}`);
  return value;
}

/** What one contestant took, by round. Plain JSON. */
export interface RoundTimes {
  /** Wall times of the runs of each round, milliseconds. */
  readonly wallMs: readonly (readonly number[])[];
  /** Processor time of all runs of each round, milliseconds. */
  readonly cpuMs: readonly number[];
}

/**
 * The bare times of {@link measureInterleaved}, one entry per contestant: for rounds that are made elsewhere, or in several calls.
 * @throws RUNTIME_FAILED without contestants or with silly options; what `Session.time` throws.
 */
export async function interleavedTimes(
  contestants: readonly Omit<Contestant, "name">[],
  options: MeasureOptions = {},
): Promise<readonly RoundTimes[]> {
  const rounds = checked("rounds", options.rounds ?? MEASURE_DEFAULTS.rounds);
  const runs = checked("runs", options.runs ?? MEASURE_DEFAULTS.runs);
  const { warmup = MEASURE_DEFAULTS.warmup, seed = MEASURE_DEFAULTS.seed } = options;
  if (contestants.length === 0) throw fail("RUNTIME_FAILED", "Cannot measure: there is no session");
  const random = seededRandom(seed);
  const series = contestants.map(() => ({ wallMs: [] as (readonly number[])[], cpuMs: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const i of shuffled(contestants.length, random)) {
      options.signal?.throwIfAborted();
      const { session, feeds } = contestants[i] as Contestant;
      const { wallMs, cpuMs } = await session.time(feeds, { runs, warmup });
      const row = series[i] as (typeof series)[number];
      row.wallMs.push(wallMs);
      row.cpuMs.push(cpuMs);
    }
    options.onRound?.(round + 1, rounds);
  }
  return series;
}

/** What times of {@link interleavedTimes} come to. `names`: of the contestants, the baseline first; `seed`: of the intervals. */
export function latencyReport(
  names: readonly string[],
  times: readonly RoundTimes[],
  options: { readonly seed: number },
): LatencyReport {
  const [base] = times;
  const runs = base?.wallMs[0]?.length ?? 0;
  const series = times.map(({ wallMs, cpuMs }) => ({
    wall: wallMs.flat(),
    roundWall: wallMs.map((ms) => quantile(ms, 0.5)),
    roundCpu: cpuMs.map((ms) => ms / runs),
  }));
  const first = series[0];
  if (first === undefined || first.wall.length === 0)
    throw fail("RUNTIME_FAILED", "Cannot measure: there is no session or no round");
  const ratios = (mine: readonly number[], theirs: readonly number[]): number[] =>
    mine.map((ms, r) => (theirs[r] as number) / ms);
  const rows = series.map(
    ({ wall, roundWall, roundCpu }, i): LatencyRow => ({
      name: names[i] as string,
      runs: wall.length,
      minMs: quantile(wall, 0),
      p50Ms: quantile(wall, 0.5),
      p90Ms: quantile(wall, 0.9),
      p99Ms: quantile(wall, 0.99),
      cpuMs: quantile(roundCpu, 0.5),
      speedup: medianWithInterval(ratios(roundWall, first.roundWall), options.seed),
      cpuSpeedup: medianWithInterval(ratios(roundCpu, first.roundCpu), options.seed),
    }),
  );
  return { kind: "latency", rounds: first.roundWall.length, runsPerRound: runs, baseline: names[0] as string, rows };
}

/**
 * Times sessions against each other in one go: in each round every session has a turn, in a seeded random order, so that a busy minute
 * of the machine hits all of them and cancels in the ratios. The first contestant is the baseline. Sessions stay open.
 * @throws RUNTIME_FAILED without contestants or with silly options; what `Session.time` throws.
 */
export async function measureInterleaved(
  contestants: readonly Contestant[],
  options: MeasureOptions = {},
): Promise<LatencyReport> {
  const times = await interleavedTimes(contestants, options);
  return latencyReport(
    contestants.map((c) => c.name),
    times,
    { seed: options.seed ?? MEASURE_DEFAULTS.seed },
  );
}
