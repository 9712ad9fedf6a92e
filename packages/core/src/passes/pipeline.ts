import { isTesseraError } from "../base/error.ts";
import type { Model } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import { verifyModel } from "../graph/verify.ts";
import { smallestFailure } from "./extract.ts";
import type { Change, Declined, Pass } from "./pass.ts";
import { type Difference, type Proof, type ProofOptions, proveAgainst, type Reference, runReference } from "./proof.ts";

/** Options of {@link runPipeline}. */
export interface PipelineOptions {
  /** Times the list of passes is gone through until nothing changes any more. */
  readonly maxRounds?: number;
  /** Compare the result with the original on real and random inputs; on unless switched off. */
  readonly prove?: boolean;
  readonly proof?: ProofOptions;
  /** Rewrites dropped one by one before the whole result is given up. */
  readonly maxDropped?: number;
  readonly onProgress?: (event: PipelineProgress) => void;
  readonly signal?: AbortSignal;
}

/** Defaults of {@link PipelineOptions}. */
export const PIPELINE_DEFAULTS = { maxRounds: 12, prove: true, maxDropped: 16 } as const;

/** Where a pipeline is. */
export type PipelineProgress =
  | { readonly kind: "pass"; readonly pass: string; readonly round: number; readonly changes: number }
  | { readonly kind: "prove" }
  | { readonly kind: "bisect"; readonly pass: string; readonly sites: number };

/** A rewrite that failed its proof and was taken back. */
export interface Dropped {
  readonly pass: string;
  readonly site: string;
  readonly why: string;
  readonly difference: Difference | undefined;
  /** The smallest graphs found that still differ, and an input that shows it. */
  readonly failing?: { readonly before: Model; readonly after: Model; readonly feeds: Feeds };
}

/** What a pipeline did. */
export interface PipelineReport {
  readonly rounds: number;
  /** Changes by pass, in order of the pass list; passes without changes are listed with none. */
  readonly passes: readonly {
    readonly pass: string;
    readonly changes: readonly Change[];
    readonly declined: readonly Declined[];
  }[];
  /** Absent when the proof was switched off. */
  readonly proof?: Proof;
  readonly dropped: readonly Dropped[];
}

interface Step {
  readonly pass: Pass;
  readonly before: Model;
  readonly after: Model;
  readonly changes: readonly Change[];
  readonly declined: readonly Declined[];
  /** Set when the pass itself broke structure. */
  readonly broken?: string;
}

interface Walk {
  readonly steps: readonly Step[];
  readonly model: Model;
  readonly rounds: number;
  readonly declined: ReadonlyMap<string, readonly Declined[]>;
}

function walkPasses(model: Model, passes: readonly Pass[], banned: ReadonlySet<string>, options: PipelineOptions): Walk {
  const steps: Step[] = [];
  const declined = new Map<string, readonly Declined[]>();
  const maxRounds = options.maxRounds ?? PIPELINE_DEFAULTS.maxRounds;
  let current = model;
  let rounds = 0;
  for (let changed = true; changed && rounds < maxRounds; rounds++) {
    changed = false;
    for (const pass of passes) {
      options.signal?.throwIfAborted();
      const asked: string[] = [];
      let result: ReturnType<Pass["run"]>;
      try {
        result = pass.run(current, {
          allow: (site) => {
            if (banned.has(`${pass.name}:${site}`)) return false;
            asked.push(site);
            return true;
          },
        });
      } catch (error) {
        // A pass that throws (its edits made a cycle, say) is bisected like one that leaves a broken graph; without sites it is the pass's own bug.
        if (!isTesseraError(error) || asked.length === 0) throw error;
        const changes = asked.map((site) => ({
          site,
          rule: site.slice(0, site.indexOf("@")),
          node: site.slice(site.lastIndexOf("/") + 1),
        }));
        steps.push({ pass, before: current, after: current, changes, declined: [], broken: error.message });
        return { steps, model: current, rounds: rounds + 1, declined };
      }
      const { model: next, report } = result;
      declined.set(pass.name, report.declined);
      if (report.changes.length === 0) continue;
      changed = true;
      options.onProgress?.({ kind: "pass", pass: pass.name, round: rounds, changes: report.changes.length });
      const broken = structureProblem(next);
      steps.push({
        pass,
        before: current,
        after: next,
        changes: report.changes,
        declined: report.declined,
        ...(broken === undefined ? {} : { broken }),
      });
      if (broken !== undefined) return { steps, model: next, rounds: rounds + 1, declined };
      current = next;
    }
  }
  return { steps, model: current, rounds, declined };
}

function structureProblem(model: Model): string | undefined {
  try {
    verifyModel(model);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

type Refutes = (
  model: Model,
) => Promise<{ readonly bad: boolean; readonly why: string; readonly difference: Difference | undefined }>;

/** The first of `count` growing prefixes for which `bad` holds, given that it holds for the last one. */
async function firstBad(count: number, bad: (prefix: number) => Promise<boolean>): Promise<number> {
  let low = 1;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (await bad(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

async function findCulprit(
  walk: Walk,
  banned: ReadonlySet<string>,
  refutes: Refutes,
  options: PipelineOptions,
): Promise<Dropped> {
  const { steps } = walk;
  const brokenAt = steps.findIndex((s) => s.broken !== undefined);
  const index =
    brokenAt >= 0 ? brokenAt : (await firstBad(steps.length, async (k) => (await refutes((steps[k - 1] as Step).after)).bad)) - 1;
  const step = steps[index] as Step;
  const sites = step.changes.map((c) => c.site);
  options.onProgress?.({ kind: "bisect", pass: step.pass.name, sites: sites.length });
  const withSites = (allowed: ReadonlySet<string>): Model | undefined => {
    try {
      const { model } = step.pass.run(step.before, {
        allow: (site) => allowed.has(site) && !banned.has(`${step.pass.name}:${site}`),
      });
      return structureProblem(model) === undefined ? model : undefined;
    } catch (error) {
      if (isTesseraError(error)) return undefined;
      throw error;
    }
  };
  // Running a model costs far more than checking it, so where structure is what broke nothing is run.
  const isBad = async (model: Model | undefined): Promise<boolean> =>
    model === undefined || (step.broken === undefined && (await refutes(model)).bad);
  const found = await firstBad(sites.length, (k) => isBad(withSites(new Set(sites.slice(0, k)))));
  const site = sites[found - 1] as string;
  const alone = withSites(new Set([site]));
  const prefix = withSites(new Set(sites.slice(0, found)));
  if (alone === undefined || prefix === undefined)
    return {
      pass: step.pass.name,
      site,
      why: `breaks the graph: ${step.broken ?? "together with others"}`,
      difference: undefined,
    };
  const verdict = await refutes(alone);
  // When the rewrite only fails together with earlier ones of its pass, the failing pair is the prefix that showed it.
  const after = verdict.bad ? alone : prefix;
  const { why, difference } = verdict.bad ? verdict : await refutes(after);
  const failing = await smallestFailure(step.before, after, options.proof ?? {});
  return { pass: step.pass.name, site, why, difference, ...(failing === undefined ? {} : { failing }) };
}

/**
 * Runs passes in order, again and again until nothing changes, verifies the structure after each, and proves the result against the original. On a
 * mismatch it bisects to the pass and then to the rewrite, takes back only that one, and starts again: the answer is proved with what is left.
 * A model that cannot be run at all keeps its rewrites, and the report says "undecided" with the reason.
 */
export async function runPipeline(
  model: Model,
  passes: readonly Pass[],
  options: PipelineOptions = {},
): Promise<{ readonly model: Model; readonly report: PipelineReport }> {
  const shouldProve = options.prove ?? PIPELINE_DEFAULTS.prove;
  const maxDropped = options.maxDropped ?? PIPELINE_DEFAULTS.maxDropped;
  const banned = new Set<string>();
  const dropped: Dropped[] = [];
  let reference: Reference | undefined;
  const proofOf = async (candidate: Model): Promise<Proof> => {
    reference ??= await runReference(model, options.proof);
    return proveAgainst(reference, candidate, options.proof);
  };
  const refutes: Refutes = async (candidate) => {
    const proof = await proofOf(candidate);
    const why =
      proof.worst?.why ?? `output ${proof.worst?.output} differs by ${proof.worst?.relative.toExponential(2)} of its magnitude`;
    return { bad: proof.kind === "refuted", why, difference: proof.worst };
  };
  for (;;) {
    const walk = walkPasses(model, passes, banned, options);
    const broken = walk.steps.some((s) => s.broken !== undefined);
    let proof: Proof | undefined;
    if (shouldProve && !broken) {
      options.onProgress?.({ kind: "prove" });
      proof = await proofOf(walk.model);
    }
    if (!broken && proof?.kind !== "refuted") return { model: walk.model, report: reportOf(walk, passes, proof, dropped) };
    if (dropped.length >= maxDropped) {
      const untouched: Walk = { steps: [], model, rounds: walk.rounds, declined: walk.declined };
      return { model, report: reportOf(untouched, passes, await proofOf(model), dropped) };
    }
    const culprit = await findCulprit(walk, banned, refutes, options);
    dropped.push(culprit);
    banned.add(`${culprit.pass}:${culprit.site}`);
  }
}

function reportOf(walk: Walk, passes: readonly Pass[], proof: Proof | undefined, dropped: readonly Dropped[]): PipelineReport {
  return {
    rounds: walk.rounds,
    passes: passes.map((pass) => ({
      pass: pass.name,
      changes: walk.steps.filter((s) => s.pass === pass).flatMap((s) => s.changes),
      declined: walk.declined.get(pass.name) ?? [],
    })),
    ...(proof === undefined ? {} : { proof }),
    dropped,
  };
}
