import { join } from "node:path";
import { isTesseraError } from "@tessera/core/base/error";
import { SMOOTHED_CONVENTION } from "@tessera/core/biometrics/smoothed";
import type { Model } from "@tessera/core/graph/model";
import type { ChainReport, SearchFigures, SearchReport } from "@tessera/core/protocol/search-report";
import { buildPoint } from "@tessera/core/quant/search/build-point";
import { canonicalJson } from "@tessera/core/quant/search/canonical-json";
import {
  type ChainPoint,
  SEARCH_DEPTHS,
  type SearchResult,
  type SearchStep,
  searchPlan,
} from "@tessera/core/quant/search/engine";
import { type Judgement, lossInterval } from "@tessera/core/quant/search/judgement";
import { nodeReasons } from "@tessera/core/quant/search/reasons";
import { schemeOf } from "@tessera/core/targets/scheme";
import { sha256 } from "../io/files.ts";
import { TESSERA_VERSION } from "../version.ts";
import type { EvaluationSet } from "./accuracy.ts";
import type { Calibrated } from "./calibrate.ts";
import type { PeopleSplit } from "./people.ts";
import type { OptimizeJob, SearchDepthName } from "./request.ts";
import { type HostBench, hostBench } from "./search-bench.ts";
import { openJournal } from "./search-journal.ts";
import { variantWriter } from "./variant-writer.ts";
import { plannedVariant, type Variant } from "./variants.ts";
import type { Skipped } from "./variants-built.ts";

/** What a search is given beside the job. */
export interface SearchRequest {
  readonly depth: Exclude<SearchDepthName, "off" | "auto">;
  readonly split: PeopleSplit;
  /** The people of the search. */
  readonly set: EvaluationSet;
  readonly plain: Model;
  readonly calibrated: Calibrated;
  /** Rows of the calibration. */
  readonly rows: readonly number[];
  readonly reducedRange: boolean;
  readonly hasVnni: boolean | undefined;
}

/** What a search hands on. */
export interface Searched {
  readonly variants: readonly Variant[];
  readonly skipped: readonly Skipped[];
  readonly report: SearchReport;
}

/** Most points with nodes in float that are built and run on the target's runtime. */
const MOST_MIXED = 2;

/** How losses of a search are counted. */
const CONVENTION = `${SMOOTHED_CONVENTION}; on the people of the search, any two points paired by people`;

/**
 * Searches for the best plan on people who are on no report, by running plans as QDQ on the host, and builds for the target what is worth a real run:
 * plain quantization for comparison, the best point all in integers, and points with ever more nodes in float that gained.
 */
export async function searchVariants(request: SearchRequest, job: OptimizeJob): Promise<Searched> {
  const { progress, signal } = job;
  const { depth, set } = request;
  const started = performance.now();
  const journal = openJournal(join(job.outDir, "search.jsonl"), headerOf(request, job));
  try {
    if (journal.note !== undefined) progress.note(journal.note);
    if (journal.resumed) progress.note(`search: ${journal.known.size} answers of an interrupted run are taken up`);
    progress.stage(`searching on ${set.people.length} people: looking at the float network`);
    const host = await hostBench({ job, ...request });
    const steps = stepTeller(set.people.length, job);
    const result = await searchPlan(told(host, job, steps.pause), {
      depth: SEARCH_DEPTHS[depth],
      ...(job.budgets.maxDrop === undefined ? {} : { maxLoss: job.budgets.maxDrop }),
      journal,
      signal,
      onStep: steps.tell,
    });
    const { variants, skipped, built } = await buildChain(result, host, job);
    return { variants, skipped, report: reportOf(result, { request, job, variants, built, started, resumed: journal.resumed }) };
  } finally {
    journal.close();
  }
}

/** Tells the steps of a search; after a pause for another stage it counts from there, so that the time left is that of steps. */
function stepTeller(people: number, { progress }: OptimizeJob) {
  let from: number | undefined;
  return {
    pause: () => {
      from = undefined;
    },
    tell: (step: SearchStep, { done, expected }: { readonly done: number; readonly expected: number }) => {
      if (from === undefined) {
        from = done;
        progress.stage(`searching on ${people} people`, Math.max(1, expected - done));
      }
      progress.at(done - from);
      if (step.accepted && done > 1) progress.note(`search: ${step.says}: ${step.why}`);
    },
  };
}

/** The bench, with the stages that take long without a step told. */
function told({ bench }: HostBench, { progress }: OptimizeJob, pause: () => void): HostBench["bench"] {
  return {
    ...bench,
    sensitivity: (point, reverted, onGroup) => {
      pause();
      let begun = false;
      return bench.sensitivity(point, reverted, (done, total) => {
        if (!begun) progress.stage("searching: what each group of nodes costs", total);
        begun = true;
        progress.at(done);
        onGroup?.(done, total);
      });
    },
  };
}

/** Raised when points or judgements come to mean something else: journals of before are then set aside. */
const SEARCH_METHOD = 1;

/** Everything that the answers in a journal depend on. */
function headerOf({ depth, split, set, rows, reducedRange, hasVnni, plain }: SearchRequest, job: OptimizeJob) {
  const { file, target, calibration, evaluation, host, budgets, seed, modelCard, protocol } = job;
  return {
    tool: TESSERA_VERSION,
    method: SEARCH_METHOD,
    model: file.sha256,
    network: sha256(canonicalJson(plain.graph.nodes.map((n) => [n.name, n.op, n.inputs, n.outputs]))),
    card: sha256(canonicalJson(modelCard)),
    target: { id: target.id, rules: sha256(canonicalJson(target)) },
    calibration: { digest: calibration.digest, rows: sha256(rows.join()) },
    evaluation: { digest: evaluation.digest, rows: sha256(set.rows.join()), says: split.says, protocol },
    host: { id: host.id, version: host.version, hasVnni: hasVnni ?? null },
    far: budgets.far,
    maxDrop: budgets.maxDrop ?? null,
    depth,
    reducedRange,
    seed,
  };
}

/** Candidates of the points that are worth a run on the target's runtime, with the plan's nodes saying why each is what it is. */
async function buildChain(result: SearchResult, { material }: HostBench, job: OptimizeJob) {
  const { target } = job;
  const writer = variantWriter(target.format);
  const gaining = result.chain.filter((point, i) => i === 0 || point.gains);
  const mixed = gaining.slice(1).slice(-MOST_MIXED);
  const wanted: readonly {
    readonly point: ChainPoint;
    readonly id: string;
    readonly says: string;
    readonly place: "plain" | number;
  }[] = [
    { point: result.plain, id: "int8-plain", says: "INT8 static, plain", place: "plain" },
    ...[...gaining.slice(0, 1), ...mixed].map((point, i) => {
      const { length } = point.groups;
      const floats = length === 0 ? "" : `, ${length} ${length === 1 ? "group" : "groups"} of nodes in float`;
      return { point, id: `int8-searched${length === 0 ? "" : `-${length}f`}`, says: `INT8 static, searched${floats}`, place: i };
    }),
  ];
  const variants: Variant[] = [];
  const skipped: Skipped[] = [];
  const built = new Map<string, string>();
  for (const { point, id, says, place } of wanted) {
    job.signal.throwIfAborted();
    const reasons = place === "plain" ? new Map() : nodeReasons(point, result.sensitivity, schemeOf(target));
    try {
      const { model, plan } = await buildPoint(point.point, material, reasons);
      variants.push({ ...plannedVariant({ model, plan, writer, target }), id, says, searched: place });
      built.set(point.key, id);
    } catch (error) {
      if (!isTesseraError(error) || job.signal.aborted) throw error;
      skipped.push({ says, why: error.message });
    }
  }
  return { variants, skipped, built };
}

interface Facts {
  readonly request: SearchRequest;
  readonly job: OptimizeJob;
  readonly variants: readonly Variant[];
  readonly built: ReadonlyMap<string, string>;
  readonly started: number;
  readonly resumed: boolean;
}

function reportOf(result: SearchResult, { request, job, variants, built, started, resumed }: Facts): SearchReport {
  const { set, split, depth } = request;
  const pointOf = ({ key, says, judgement, groups, timeRatio, gains }: ChainPoint): ChainReport => {
    const candidate = built.get(key);
    return { ...(candidate === undefined ? {} : { candidate }), says, groups, figures: figuresOf(judgement), timeRatio, gains };
  };
  return {
    depth,
    far: job.budgets.far,
    people: {
      says: split.says,
      searched: split.search.size,
      reported: split.report.size,
      samples: set.rows.length,
      genuine: set.genuine,
      impostor: set.impostor,
    },
    plain: pointOf(result.plain),
    chain: result.chain.map(pointOf),
    steps: result.steps.map(({ stage, says, accepted, why, versus, loss, judgement }) => ({
      stage,
      says,
      accepted,
      why,
      ...(versus === undefined ? {} : { versus }),
      figures: { ...judgement, loss },
    })),
    sensitivity: result.sensitivity,
    reasons: variants.map(({ id, plan }) => ({
      candidate: id,
      nodes: [...(plan?.nodes ?? [])].map(([node, { precision, reason }]) => ({ node, precision, reason })),
    })),
    stopped: result.stopped,
    seconds: (performance.now() - started) / 1000,
    evaluations: result.evaluations,
    recalled: result.recalled,
    resumed,
    convention: CONVENTION,
  };
}

function figuresOf(judgement: Judgement): SearchFigures {
  const { influence: _, ...figures } = judgement;
  return { ...figures, loss: lossInterval(judgement) };
}
