import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { subjectOverlap } from "@tessera/core/biometrics/dataset";
import { RATE_CONVENTION } from "@tessera/core/biometrics/rates";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import { simplifyModel } from "@tessera/core/passes/simplify";
import type { Candidate, OptimizeReport } from "@tessera/core/protocol/report";
import { readHardware } from "@tessera/runtimes/hardware";
import { runtimeExecutor } from "../io/executor.ts";
import { sha256, writeFile } from "../io/files.ts";
import { TESSERA_VERSION } from "../version.ts";
import { calibrationRows, type EvaluationSet, evaluationSet, rowsOfRole } from "./accuracy.ts";
import { basisOf } from "./basis.ts";
import { evaluationSummary, failuresOf } from "./data-summary.ts";
import { describeCandidates } from "./describe.ts";
import { checkDevice } from "./device-time.ts";
import { elsewhereOf, originalRuntime, othersToTime } from "./elsewhere.ts";
import { type Embedded, embedAll } from "./embed.ts";
import { graphChange } from "./graph-change.ts";
import { layersOf } from "./layer-report.ts";
import { machineOf } from "./machine.ts";
import { matrixOf } from "./matrix.ts";
import { judgeDevices, mcuOfPick } from "./mcu-variants.ts";
import type { PeopleData } from "./people-data.ts";
import { paretoFront, pickCandidate } from "./pick.ts";
import { prepareJob } from "./prepare.ts";
import { checkPreprocessing } from "./preprocessing.ts";
import type { OptimizeJob, OptimizeRequest } from "./request.ts";
import { checkSampleCount, sampleWarning } from "./sample-count.ts";
import { batchOf, SAMPLE_WORDS, sampleFeeds, selectSamples } from "./samples.ts";
import { searchVariants } from "./search.ts";
import { chooseSearch, expectedSlower } from "./search-choice.ts";
import { summarize } from "./summary.ts";
import { timeVariants } from "./time.ts";
import type { Variant } from "./variants.ts";
import { buildVariants, type Skipped } from "./variants-built.ts";
import { judgeOn, wholeDataTable } from "./whole-data.ts";
import { writeArtefacts } from "./write.ts";

/** The main job: builds variants of an embedding network for a target, judges each on real pairs and on the real runtime, picks, and writes everything. */
export async function optimizeModel(request: OptimizeRequest): Promise<OptimizeReport> {
  const { file, card, target, runtimes, progress, signal, outDir } = request;
  const whole = evaluationSet(request.evaluation, { protocol: request.protocol });
  const calibrated = calibrationRows(request.calibration);
  const overlap = checkData(request, calibrated);
  const hardware = await readHardware();
  const job = await prepareJob(request);
  for (const line of job.notes) progress.note(line);
  const original = await originalRuntime(job);
  if (request.device !== undefined)
    await checkDevice(request.device, [job.runtime, ...othersToTime(job.model, job, original).map((other) => other.runtime)]);

  const { search, note } = chooseSearch(request, whole, await expectedSlower(job));
  // Whoever helped to choose a plan does not say how good it is.
  const set =
    search === undefined ? whole : evaluationSet(request.evaluation, { protocol: request.protocol, people: search.split.report });
  if (note !== undefined) progress.note(note);
  const { float, plain, pipeline } = await simplifyForTarget(job, calibrated);
  const { hasVnni } = hardware;
  const built = await buildVariants({ float, plain }, job, calibrated, hasVnni);
  const found =
    search === undefined ? undefined : await searchVariants({ ...search, ...built, plain, rows: calibrated, hasVnni }, job);
  const variants = withoutTwins([...built.variants, ...(found?.variants ?? [])]);
  const skipped = [...built.skipped, ...(found?.skipped ?? [])];
  const embedded = await embedVariants(variants, whole, job);
  const judged = embedded.map((all, i) => {
    progress.stage(`scoring ${set.genuine + set.impostor} comparisons of ${at(variants, i).says}`);
    return judgeOn(all, whole, set, job);
  });
  progress.stage(search === undefined ? "timing" : "scoring everybody, for the second table");
  const wholeData =
    search === undefined ? undefined : wholeDataTable(embedded, { variants, whole, searched: search.split.search.size }, job);
  const others = othersToTime(float, job, original);
  const { latencies, timedOn } = await timeVariants(variants, job, { rows: calibrated, others });
  const candidates = await describeCandidates(
    { variants, judged, latencies, set, original, devices: judgeDevices(variants, job) },
    job,
  );
  const pick = pickCandidate(candidates, request.budgets);
  const picked = candidates.find((c) => c.id === pick.id);
  const { rows: elsewhere, embedded: onOtherRuntimes } = await elsewhereOf(
    { float, judged: at(judged, 0), latencies, set, original },
    job,
  );

  progress.stage("trying the usual pre-processing mistakes");
  const preprocessing = await checkPreprocessing(modelToOnnx(float), {
    runtime: job.host,
    card: job.modelCard,
    data: request.evaluation,
    set,
    signal,
  });
  progress.stage("enrolling with one model, probing with another");
  const mixed = [...variants.map((variant, i) => ({ name: variant.id, embeddings: at(judged, i).unit })), ...onOtherRuntimes];
  const { far, fars, replicates, seed } = { ...request, ...request.budgets };
  const matrix = matrixOf(mixed, set, { far, fars, replicates, seed });
  const layers = await layersOf(variants, picked, job, { rows: calibrated, plain, judged, set });
  const written = writeArtefacts({ variants, candidates, picked, judged, matrix }, job);
  const { mcu, artefacts: onDevice } = await mcuOfPick(picked, job);
  const machine = machineOf(hardware, { runtimes: await runtimes.started(), threads: 1 });

  const report: OptimizeReport = {
    kind: "tessera-optimize-report",
    version: 1,
    tool: { name: "tessera", version: TESSERA_VERSION },
    createdAt: request.now.toISOString(),
    ...(request.illustration === undefined ? {} : { illustration: request.illustration }),
    model: summarize(file, { licence: card.licence }),
    target: { id: target.id, says: target.says, notes: target.notes },
    machine,
    ...(timedOn === undefined ? {} : { timedOn }),
    data: {
      calibration: {
        name: request.calibration.name,
        samples: calibrated.length,
        subjects: new Set(calibrated.map((row) => request.calibration.manifest.subjects?.[row])).size,
        digest: request.calibration.digest,
      },
      evaluation: evaluationSummary(request.evaluation, set),
      sharedSubjects: overlap,
      failuresToAcquire: failuresOf(request.evaluation),
      convention: RATE_CONVENTION,
    },
    graph: graphChange(file, float, { pipeline, target }),
    candidates,
    pareto: paretoFront(candidates, request.budgets.far),
    pick,
    matrix,
    ...(layers === undefined ? {} : { layers }),
    ...(elsewhere.length === 0 ? {} : { elsewhere }),
    ...(request.companions === undefined ? {} : { companions: request.companions }),
    ...basisOf(job, { machine, plain, candidates, timedOn }),
    ...(skipped.length === 0 ? {} : { skipped }),
    ...(found === undefined ? {} : { search: found.report }),
    ...(wholeData === undefined ? {} : { wholeData }),
    ...(mcu === undefined ? {} : { mcu }),
    preprocessing,
    artefacts: [...written, ...onDevice],
    next: [...nextSteps(candidates, picked, job, skipped), ...(mcu?.next ?? [])],
  };
  writeFile(join(outDir, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

async function simplifyForTarget(job: OptimizeJob, rows: readonly number[]) {
  const { model: given, modelCard, target, host, progress, signal } = job;
  progress.stage("simplifying and proving");
  const feeds = [...sampleFeeds(modelCard, job.calibration.samples, rows.slice(0, 2), batchOf(given, modelCard))];
  const proof = { feeds, execute: runtimeExecutor(host) };
  const { model: float, report: pipeline } = await simplifyModel(given, { target, proof, signal });
  if (pipeline.proof?.kind !== "proved")
    throw fail("PROOF_FAILED", `Cannot prove the simplified model: ${pipeline.proof?.why ?? "no proof"}`);
  // What pays in float (a PReLU taken apart, channels filled up) costs accuracy and time in integers: those start from the plain form.
  const rewritten = new Set(target.floatRewrites.map((r) => r.pass));
  const differs = pipeline.passes.some((p) => rewritten.has(p.pass) && p.changes.length > 0);
  const plain: Model = differs ? (await simplifyModel(given, { proof, signal })).model : float;
  return { float, plain, pipeline };
}

function checkData(request: OptimizeRequest, calibrationRows: readonly number[]): readonly string[] {
  const { calibration, evaluation, progress } = request;
  if (calibrationRows.length === 0) {
    throw fail(
      "CALIBRATION_EMPTY",
      `Cannot calibrate: ${calibration.folder} has no ${SAMPLE_WORDS[calibration.samples.kind].recorded} with role "calib" ${SAMPLE_WORDS[calibration.samples.kind].lacking}`,
    );
  }
  checkSampleCount(calibrationRows.length, { fewSamples: request.fewSamples ?? false });
  const few = sampleWarning(calibrationRows.length);
  if (few !== undefined) progress.note(few);
  const evaluationRows = new Set(rowsOfRole(evaluation, "eval"));
  const only = (data: PeopleData, rows: Iterable<number>) => ({
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

/**
 * Of variants that are the same file the last one: what the search found may be what stood there before. The first is what all are compared with: it stays,
 * and what is the same file is no variant (a network with next to no weights has none to store in fewer bits).
 */
function withoutTwins(variants: readonly Variant[]): readonly Variant[] {
  const digests = variants.map((v) => sha256(v.bytes));
  const isTwin = (i: number): boolean => at(digests, i) === digests[0] || digests.includes(at(digests, i), i + 1);
  return variants.filter((v, i) => i === 0 || v.searched === "plain" || !isTwin(i));
}

async function embedVariants(variants: readonly Variant[], whole: EvaluationSet, job: OptimizeJob): Promise<readonly Embedded[]> {
  const embedded: Embedded[] = [];
  const samples = selectSamples(job.evaluation.samples, whole.rows);
  for (const variant of variants) {
    job.progress.stage(`embedding with ${variant.says}`, samples.count);
    embedded.push(
      await embedAll(job.runtime, variant.bytes, {
        card: job.modelCard,
        samples,
        onProgress: (done) => job.progress.at(done),
        signal: job.signal,
      }),
    );
  }
  return embedded;
}

function nextSteps(
  candidates: readonly Candidate[],
  picked: Candidate | undefined,
  job: OptimizeJob,
  skipped: readonly Skipped[],
): readonly string[] {
  const { target, runtime } = job;
  const steps: string[] = [];
  for (const point of at(candidates, 0).accuracy.tarAtFar) if (point.kind === "insufficient-data") steps.push(point.says);
  if (picked === undefined) steps.push("Relax a budget, or give a model that starts from a better place");
  else if (!picked.baseline)
    steps.push(`Ship the card with the model: its thresholds belong to ${picked.says} and to no other variant`);
  if (target.here !== "device" && job.device === undefined)
    steps.push(`Measure on the device: times here come from ${runtime.id} on this machine`);
  const slow = candidates.filter((c) => !c.baseline && c.latency.ratioToBaseline.median > 1.05);
  if (slow.length > 0) steps.push(`Do not ship ${slow.map((c) => c.says).join(", ")} here: slower than FP32 on this runtime`);
  for (const { says, why } of skipped) steps.push(`${says} was not built: ${why}`);
  return steps;
}
