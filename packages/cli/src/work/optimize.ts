import { basename, extname, join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { subjectOverlap } from "@tessera/core/biometrics/dataset";
import { enrolProbeMatrix } from "@tessera/core/biometrics/matrix";
import { RATE_CONVENTION } from "@tessera/core/biometrics/rates";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { Runtime } from "@tessera/core/graph/runtime";
import { countNodes } from "@tessera/core/graph/walk";
import type { FaceEmbeddingCard } from "@tessera/core/modality/card";
import { testContract } from "@tessera/core/modality/face/contract-test";
import { selectCrops } from "@tessera/core/modality/face/crops";
import { printCard } from "@tessera/core/modality/read-card";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { defaultPasses } from "@tessera/core/passes/default-passes";
import type { PipelineReport } from "@tessera/core/passes/pipeline";
import { simplifyModel } from "@tessera/core/passes/simplify";
import type { Artefact, Candidate, FusionSummary, Latency, OptimizeReport } from "@tessera/core/protocol/report";
import { planToJson } from "@tessera/core/quant/plan-json";
import type { RangeMethod } from "@tessera/core/quant/range";
import type { Target } from "@tessera/core/targets/target";
import { checkFusion } from "@tessera/runtimes/fusion-check";
import { readHardware } from "@tessera/runtimes/hardware";
import { measureInterleaved } from "@tessera/runtimes/measure";
import { measureMemory } from "@tessera/runtimes/memory";
import { runtimeExecutor } from "../io/executor.ts";
import { sha256, writeFile } from "../io/files.ts";
import type { ModelFile } from "../io/model-file.ts";
import type { Progress } from "../ui/progress.ts";
import { TESSERA_VERSION } from "../version.ts";
import { type EvaluationSet, evaluateEmbeddings, evaluationSet, rowsOfRole } from "./accuracy.ts";
import { cropFeeds, embedAll } from "./embed.ts";
import type { FaceData } from "./faces.ts";
import { compareToBaseline, gatesOf, type Judged } from "./judge.ts";
import { compareLayers } from "./layers.ts";
import { type Budgets, paretoFront, pickCandidate } from "./pick.ts";
import { operatorCounts, summarize } from "./summary.ts";
import {
  calibrate,
  dynamicVariant,
  floatVariant,
  halfVariant,
  staticVariant,
  type Variant,
  weightOnlyVariant,
} from "./variants.ts";

/** What `optimize` is asked to do. */
export interface OptimizeRequest {
  readonly file: ModelFile;
  readonly card: FaceEmbeddingCard;
  readonly target: Target;
  readonly runtime: Runtime;
  readonly calibration: FaceData;
  readonly evaluation: FaceData;
  readonly outDir: string;
  readonly fars: readonly number[];
  readonly budgets: Budgets;
  readonly methods: readonly RangeMethod[];
  readonly protocol: "all-pairs" | "pair-list";
  readonly replicates: number;
  readonly seed: number;
  readonly timing: { readonly rounds: number; readonly runs: number };
  readonly allowOverlap: boolean;
  readonly illustration?: string;
  /** The clock, for the report's date. */
  readonly now: Date;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Faces compared layer by layer. */
const LAYER_SAMPLES = 16;

/** The main job: builds variants of a face model for a target, judges each on real pairs and on the real runtime, picks, and writes everything. */
export async function optimizeFaceModel(request: OptimizeRequest): Promise<OptimizeReport> {
  const { file, card, target, runtime, progress, signal, outDir } = request;
  const set = evaluationSet(request.evaluation, { protocol: request.protocol });
  const calibrationRows = rowsOfRole(request.calibration, "calib");
  const overlap = checkData(request, calibrationRows);
  const hardware = await readHardware();

  progress.stage("simplifying and proving");
  const proofFeeds = [...cropFeeds(card, request.calibration.crops, calibrationRows.slice(0, 2))];
  const { model, report: pipeline } = await simplifyModel(file.model, {
    target,
    proof: { feeds: proofFeeds, execute: runtimeExecutor(runtime) },
    signal,
  });
  if (pipeline.proof?.kind !== "proved")
    throw fail("PROOF_FAILED", `Cannot prove the simplified model: ${pipeline.proof?.why ?? "no proof"}`);

  const variants = await buildVariants(model, request, calibrationRows, hardware.hasVnni);
  const judged = await judgeVariants(variants, set, request);
  const latencies = await timeVariants(variants, request, calibrationRows);
  const candidates = await describeCandidates({ variants, judged, latencies, set }, request);
  const pick = pickCandidate(candidates, request.budgets);
  const picked = candidates.find((c) => c.id === pick.id);

  progress.stage("trying the usual pre-processing mistakes");
  const preprocessing = await checkPreprocessing(at(variants, 0), request, set);
  const matrix = matrixOf(variants, judged, set, request);
  const layers = await layersOf(variants, picked, request, calibrationRows);
  const artefacts = await writeArtefacts({ variants, candidates, picked, judged }, request);

  const report: OptimizeReport = {
    kind: "tessera-optimize-report",
    version: 1,
    tool: { name: "tessera", version: TESSERA_VERSION },
    createdAt: request.now.toISOString(),
    ...(request.illustration === undefined ? {} : { illustration: request.illustration }),
    model: summarize(file, { licence: card.licence }),
    target: { id: target.id, says: target.says, notes: target.notes },
    machine: {
      processor: hardware.cpu,
      cores: hardware.cores,
      features: hardware.features ?? [],
      memoryBytes: hardware.memoryBytes,
      node: hardware.node,
      runtimes: [{ id: runtime.id, version: runtime.version }],
      threads: 1,
    },
    data: {
      calibration: {
        name: request.calibration.name,
        samples: calibrationRows.length,
        subjects: new Set(calibrationRows.map((row) => request.calibration.manifest.subjects?.[row])).size,
        digest: request.calibration.digest,
      },
      evaluation: {
        name: request.evaluation.name,
        samples: set.rows.length,
        subjects: set.people.length,
        genuine: set.genuine,
        impostor: set.impostor,
        digest: request.evaluation.digest,
        protocol: set.protocol,
      },
      sharedSubjects: overlap,
      failuresToAcquire: failuresOf(request.evaluation),
      convention: RATE_CONVENTION,
    },
    graph: graphChange(file, model, pipeline, target),
    candidates,
    pareto: paretoFront(candidates, request.budgets.far),
    pick,
    matrix,
    ...(layers === undefined ? {} : { layers }),
    preprocessing,
    artefacts,
    next: nextSteps(candidates, picked, request),
  };
  writeFile(join(outDir, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

function checkData(request: OptimizeRequest, calibrationRows: readonly number[]): readonly string[] {
  const { calibration, evaluation, progress } = request;
  if (calibrationRows.length === 0) {
    throw fail(
      "CALIBRATION_EMPTY",
      `Cannot calibrate: ${calibration.folder} has no picture with role "calib" in which a face was found`,
    );
  }
  if (calibrationRows.length < 100)
    progress.note(
      `warning: only ${calibrationRows.length} calibration samples; ranges from fewer than 100 are not to be relied on`,
    );
  const evaluationRows = new Set(rowsOfRole(evaluation, "eval"));
  const only = (data: FaceData, rows: Iterable<number>) => ({
    ...data.manifest,
    subjects: Array.from(rows, (row) => at(data.manifest.subjects ?? [], row)),
  });
  const overlap = subjectOverlap(only(calibration, calibrationRows), only(evaluation, evaluationRows), {
    aliases: evaluation.aliases,
  });
  if (overlap.length > 0 && !request.allowOverlap) {
    throw fail(
      "DATASET_INVALID",
      `Cannot evaluate honestly: ${overlap.length} people are in both calibration and evaluation, such as ${overlap.slice(0, 3).join(", ")}`,
      {
        hint: "Give calibration pictures of other people, or pass --allow-overlap and call the figures an illustration",
      },
    );
  }
  return overlap;
}

async function buildVariants(
  model: Model,
  request: OptimizeRequest,
  rows: readonly number[],
  hasVnni: boolean | undefined,
): Promise<readonly Variant[]> {
  const { card, target, runtime, progress, signal } = request;
  progress.stage("calibrating", rows.length);
  const calibrated = await calibrate(model, target, {
    open: (bytes) => runtime.load(bytes, { threads: 1 }),
    samples: cropFeeds(card, request.calibration.crops, rows),
    onSample: (done) => progress.at(done),
    signal,
  });
  const reducedRange = target.weights.reducedRange === "without-vnni" && hasVnni === false;
  const evidence = { samples: calibrated.observations.samples, digest: request.calibration.digest };
  progress.stage("building variants");
  return [
    floatVariant(model, "FP32 simplified"),
    halfVariant(model),
    weightOnlyVariant(model),
    dynamicVariant(model),
    ...request.methods.map((method) => staticVariant(calibrated, target, { method, reducedRange, evidence })),
  ];
}

async function judgeVariants(
  variants: readonly Variant[],
  set: EvaluationSet,
  request: OptimizeRequest,
): Promise<readonly Judged[]> {
  const judged: Judged[] = [];
  const crops = selectCrops(request.evaluation.crops, set.rows);
  for (const variant of variants) {
    request.progress.stage(`embedding with ${variant.says}`, crops.count);
    const embeddings = await embedAll(request.runtime, variant.bytes, {
      card: request.card,
      crops,
      onProgress: (done) => request.progress.at(done),
      signal: request.signal,
    });
    request.progress.stage(`scoring ${set.genuine + set.impostor} comparisons of ${variant.says}`);
    judged.push({ ...embeddings, evaluated: evaluateEmbeddings(embeddings.unit, set, request) });
  }
  return judged;
}

async function timeVariants(
  variants: readonly Variant[],
  request: OptimizeRequest,
  rows: readonly number[],
): Promise<readonly (Latency & { readonly name: string })[]> {
  const { runtime, file, card, progress, signal } = request;
  const [feeds] = [...cropFeeds(card, request.calibration.crops, rows.slice(0, 1))];
  if (feeds === undefined) throw fail("CALIBRATION_EMPTY", "Cannot time: there is no sample");
  // The baseline first: speed-ups refer to it.
  const timed = [...variants.map((v) => ({ name: v.id, bytes: v.bytes })), { name: "original", bytes: file.bytes }];
  const sessions = [];
  try {
    for (const { name, bytes } of timed) sessions.push({ name, session: await runtime.load(bytes, { threads: 1 }), feeds });
    progress.stage("timing, interleaved", request.timing.rounds);
    const report = await measureInterleaved(sessions, {
      ...request.timing,
      seed: request.seed,
      onRound: (done) => progress.at(done),
      signal,
    });
    progress.stage("weighing memory", timed.length);
    const rowsOut: (Latency & { name: string })[] = [];
    for (const [i, row] of report.rows.entries()) {
      const memory = await measureMemory(at(timed, i).bytes, feeds, { flavour: runtime.id === "ort-web" ? "web" : "node" });
      progress.at(i + 1);
      const inverse = row.speedup;
      rowsOut.push({
        name: row.name,
        p50Ms: row.p50Ms,
        p90Ms: row.p90Ms,
        p99Ms: row.p99Ms,
        cpuMs: row.cpuMs,
        loadMs: memory.loadMs,
        peakRssBytes: memory.growthBytes,
        ratioToBaseline: { median: 1 / inverse.value, low: 1 / inverse.high, high: 1 / inverse.low },
        runs: row.runs,
        threads: 1,
      });
    }
    return rowsOut;
  } finally {
    for (const { session } of sessions) await session.close();
  }
}

interface Built {
  readonly variants: readonly Variant[];
  readonly judged: readonly Judged[];
  readonly latencies: readonly (Latency & { readonly name: string })[];
  readonly set: EvaluationSet;
}

async function describeCandidates(
  { variants, judged, latencies, set }: Built,
  request: OptimizeRequest,
): Promise<readonly Candidate[]> {
  const baseline = at(judged, 0);
  const baselineBytes = at(variants, 0).bytes.length;
  const stem = basename(request.file.path, extname(request.file.path));
  const candidates: Candidate[] = [];
  for (const [i, variant] of variants.entries()) {
    request.progress.stage(`comparing ${variant.says} with FP32`);
    const mine = at(judged, i);
    const { name: _, ...latency } = at(latencies, i);
    const original = latencies.find((l) => l.name === "original");
    const notes = [...variant.notes];
    if (i === 0 && original !== undefined)
      notes.push(`${(original.ratioToBaseline.median).toFixed(2)} times as fast as the file that came in`);
    candidates.push({
      id: variant.id,
      says: variant.says,
      scheme: variant.scheme,
      file: `${stem}.${variant.id}.onnx`,
      sha256: sha256(variant.bytes),
      sizeBytes: variant.bytes.length,
      sizeRatio: variant.bytes.length / baselineBytes,
      baseline: i === 0,
      latency,
      ...(variant.scheme === "static-int8" || variant.scheme === "dynamic-int8"
        ? { fusion: await fusionOf(variant, request.target) }
        : {}),
      accuracy: mine.evaluated.accuracy,
      ...(i === 0 ? {} : { versus: compareToBaseline(baseline, mine, set, request) }),
      gates: gatesOf(mine, i === 0 ? undefined : baseline, set, request.fars),
      curves: mine.evaluated.curves,
      notes,
    });
  }
  return candidates;
}

async function fusionOf(variant: Variant, target: Target): Promise<FusionSummary> {
  const report = await checkFusion(variant.bytes, target);
  return {
    integer: Object.entries(report.coverage)
      .filter(([, c]) => c.integer > 0 || c.float > 0)
      .map(([op, c]) => ({ op, integer: c.integer, total: c.integer + c.float })),
    transposes: report.layout.length,
    quantizeNodes: report.quantizeLeft + report.dequantizeLeft,
    islands: report.islands.map(({ node, op, why }) => ({ node, op, why })),
  };
}

async function checkPreprocessing(
  baseline: Variant,
  request: OptimizeRequest,
  set: EvaluationSet,
): Promise<NonNullable<OptimizeReport["preprocessing"]>> {
  const session = await request.runtime.load(baseline.bytes, { threads: 2 });
  try {
    const crops = selectCrops(request.evaluation.crops, set.rows);
    const subjects = set.rows.map((row) => at(request.evaluation.manifest.subjects ?? [], row));
    const test = await testContract({ session, card: request.card }, { crops, subjects }, { signal: request.signal });
    return {
      says: test.says,
      questioned: test.verdict === "questioned",
      variants: [
        { name: "declared by the card", declared: true, dPrime: test.declared.dPrime, tar: test.declared.tar },
        ...test.variants.map((v) => ({ name: v.name, declared: false, dPrime: v.dPrime, tar: v.tar })),
      ],
    };
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "INSUFFICIENT_DATA" || error.code === "SCORES_INVALID")) {
      return { says: error.message, questioned: false, variants: [] };
    }
    throw error;
  } finally {
    await session.close();
  }
}

function matrixOf(
  variants: readonly Variant[],
  judged: readonly Judged[],
  set: EvaluationSet,
  request: OptimizeRequest,
): NonNullable<OptimizeReport["matrix"]> {
  request.progress.stage("enrolling with one model, probing with another");
  const chosen = variants
    .map((v, i) => ({ variant: v, judged: at(judged, i) }))
    .filter(({ variant }, i) => i === 0 || variant.scheme === "static-int8");
  const { far } = request.budgets;
  const matrix = enrolProbeMatrix(
    chosen.map(({ variant, judged: j }) => ({ name: variant.id, embeddings: j.unit })),
    set.subjects,
    { aliases: set.aliases, fars: [far] },
  );
  const mixed = matrix.cells.flatMap((row, i) => row.filter((_, j) => i !== j));
  const worst =
    ["re-enrol", "refit-threshold", "unknown", "interchangeable"].find((v) => mixed.some((c) => c.verdict === v)) ?? "unknown";
  const verdicts: Readonly<Record<string, string>> = {
    interchangeable: "Templates stay: FP32 and INT8 templates can be mixed at the threshold in use",
    "refit-threshold": "Templates stay, but the threshold must be re-fitted where models are mixed",
    "re-enrol": "People must enrol again when the model changes",
    unknown: "Too few comparisons to say whether templates can stay",
  };
  return {
    far,
    models: matrix.models,
    cells: matrix.cells.map((row) =>
      row.map((cell) => {
        const [point] = cell.points;
        return point?.kind === "matrix-point"
          ? { tar: point.own.tar, threshold: point.own.threshold, fmrAtBaselineThreshold: point.atGalleryThreshold.fmr }
          : {};
      }),
    ),
    verdict: verdicts[worst] ?? "",
  };
}

async function layersOf(
  variants: readonly Variant[],
  picked: Candidate | undefined,
  request: OptimizeRequest,
  rows: readonly number[],
): Promise<OptimizeReport["layers"]> {
  const changed =
    variants.find((v) => v.id === picked?.id && v.scheme === "static-int8") ?? variants.find((v) => v.scheme === "static-int8");
  if (changed === undefined) return undefined;
  const { runtime, card, progress, signal } = request;
  progress.stage("comparing layer by layer", LAYER_SAMPLES);
  const samples = rows.slice(0, LAYER_SAMPLES);
  const baseline = at(variants, 0);
  const layers = await compareLayers(inferTypes(modelFromOnnx(baseline.bytes)), inferTypes(modelFromOnnx(changed.bytes)), {
    runtime,
    samples: cropFeeds(card, request.calibration.crops, samples),
    onSample: (done) => progress.at(done),
    signal,
  });
  const profileOf = async (bytes: Uint8Array) => {
    const session = await runtime.load(bytes, { threads: 1 });
    try {
      const [feeds] = [...cropFeeds(card, request.calibration.crops, rows.slice(0, 1))];
      const profile = feeds === undefined ? undefined : await session.profile?.(feeds, 20);
      return (profile?.operators ?? []).map(({ name, op, timeUs }) => ({ name, op, timeUs }));
    } finally {
      await session.close();
    }
  };
  return {
    candidate: changed.id,
    samples: samples.length,
    // JSON has no infinity: a layer that does not differ at all is put at 200 dB.
    layers: layers.map(({ tensor, op, sqnrDb, cosine }) => ({ tensor, op, sqnrDb: Math.min(200, sqnrDb), cosine })),
    times: await profileOf(changed.bytes),
    baselineTimes: await profileOf(baseline.bytes),
  };
}

async function writeArtefacts(
  {
    variants,
    candidates,
    picked,
    judged,
  }: { variants: readonly Variant[]; candidates: readonly Candidate[]; picked: Candidate | undefined; judged: readonly Judged[] },
  request: OptimizeRequest,
): Promise<readonly Artefact[]> {
  const artefacts: Artefact[] = [];
  const write = (name: string, content: Uint8Array | string, says: string): void => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    writeFile(join(request.outDir, name), bytes);
    artefacts.push({ file: name, says, sizeBytes: bytes.length, sha256: sha256(bytes) });
  };
  for (const [i, variant] of variants.entries()) {
    const candidate = at(candidates, i);
    const stem = candidate.file.replace(/\.onnx$/, "");
    write(candidate.file, variant.bytes, candidate.id === picked?.id ? `${variant.says} (the pick)` : variant.says);
    if (variant.plan !== undefined) write(`${stem}.plan.json`, planToJson(variant.plan), `quantization plan of ${variant.says}`);
    const thresholds = at(judged, i).evaluated.accuracy.tarAtFar.flatMap((p) =>
      p.kind !== "figure"
        ? []
        : [
            {
              far: p.far,
              threshold: p.threshold,
              evidence: {
                tar: p.tar.value,
                interval: [p.tar.low, p.tar.high] as const,
                confidence: p.tar.confidence,
                genuine: at(judged, i).evaluated.scores.genuine.scores.length,
                impostor: at(judged, i).evaluated.scores.impostor.length,
                dataset: { name: request.evaluation.name, sha256: request.evaluation.digest },
              },
            },
          ],
    );
    const card = {
      ...request.card,
      name: stem,
      modelSha256: candidate.sha256,
      embeddingSpace: candidate.baseline ? (request.card.embeddingSpace ?? candidate.sha256) : candidate.sha256,
      thresholds,
    };
    write(`${stem}.card.json`, printCard(card), `model card of ${variant.says}, thresholds re-fitted`);
  }
  return artefacts;
}

function failuresOf(data: FaceData): { readonly count: number; readonly policy: string } {
  const { failures } = data.crops;
  const replaced = failures.filter((f) => f.used === "centre-crop").length;
  const policy =
    replaced > 0
      ? "the picture's centre stands in for a face that was not found"
      : "a picture without a face is left out of every comparison";
  return { count: failures.length, policy };
}

function graphChange(file: ModelFile, after: Model, pipeline: PipelineReport, target: Target): OptimizeReport["graph"] {
  const says = new Map(defaultPasses({ target }).map((p) => [p.name, p.says]));
  const { proof } = pipeline;
  return {
    before: { nodes: file.model.source?.nodes ?? countNodes(file.model.graph, true), operators: operatorCounts(file.model) },
    after: { nodes: countNodes(after.graph, true), operators: operatorCounts(after) },
    passes: pipeline.passes
      .filter((p) => p.changes.length > 0)
      .map((p) => ({ pass: p.pass, says: says.get(p.pass) ?? "", changes: p.changes.length })),
    proof: {
      kind: proof === undefined ? "off" : proof.kind === "proved" ? "proved" : "undecided",
      inputs: proof?.inputs ?? 0,
      ...(proof?.worst === undefined ? {} : { worstRelative: proof.worst.relative }),
      ...(proof?.why === undefined ? {} : { why: proof.why }),
    },
    dropped: pipeline.dropped.map(({ pass, site, why }) => ({ pass, site, why })),
  };
}

function nextSteps(candidates: readonly Candidate[], picked: Candidate | undefined, request: OptimizeRequest): readonly string[] {
  const steps: string[] = [];
  for (const point of at(candidates, 0).accuracy.tarAtFar) if (point.kind === "insufficient-data") steps.push(point.says);
  if (picked === undefined) steps.push("Relax a budget, or give a model that starts from a better place");
  else if (!picked.baseline)
    steps.push(`Ship the card with the model: its thresholds belong to ${picked.says} and to no other variant`);
  if (request.target.runtime === "ort-node" && request.target.id !== "ort-x64")
    steps.push(`Measure on the device: times here come from ${request.runtime.id} on this machine`);
  const slow = candidates.filter((c) => !c.baseline && c.latency.ratioToBaseline.median > 1.05);
  if (slow.length > 0) steps.push(`Do not ship ${slow.map((c) => c.says).join(", ")} here: slower than FP32 on this runtime`);
  return steps;
}
