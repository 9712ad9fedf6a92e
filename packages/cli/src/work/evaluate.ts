import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { RATE_CONVENTION } from "@tessera/core/biometrics/rates";
import type { Runnable } from "../io/runnable.ts";
import { type EvaluationSet, evaluateEmbeddings, evaluationSet } from "./accuracy.ts";
import { cohortSplit, judgeCohorts } from "./cohorts.ts";
import { evaluationSummary, failuresOf } from "./data-summary.ts";
import { type Evaluatee, type EvaluateReport, type EvaluateRequest, type EvaluateVersus, embedRows } from "./evaluatee.ts";
import { compareToBaseline, gatesOf, type Judged } from "./judge.ts";
import { machineOf } from "./machine.ts";
import { mixModels, writeMixed } from "./mixing.ts";
import { checkPreprocessing } from "./preprocessing.ts";
import { scoreNormalisers } from "./score-norm.ts";
import { spaceOfFile } from "./space.ts";
import { writeThresholdCards } from "./threshold-cards.ts";

/** Embeds, scores and judges models on the same comparisons. @throws DATASET_INVALID, SCORES_INVALID, CARD_INVALID */
export async function evaluateModels(models: readonly Evaluatee[], request: EvaluateRequest): Promise<EvaluateReport> {
  const { runtimes, progress, signal, fars } = request;
  const first = at(models, 0);
  const set = evaluationSet(first.data, request);
  const names = matrixNames(models);
  const judged: (Judged & { readonly embeddingMs: number })[] = [];
  const normalisers = await scoreNormalisers(models, set, request);
  for (const [i, model] of models.entries()) {
    const { file, data } = model;
    requireSameRows(set, evaluationSet(data, request), file);
    progress.stage(`embedding with ${names[i]}`, set.rows.length);
    const startMs = performance.now();
    const embeddings = await embedRows(model, data, set.rows, request);
    const embeddingMs = performance.now() - startMs;
    const normaliser = normalisers?.[i];
    const settings = { ...request, ...(normaliser === undefined ? {} : { normalise: normaliser.apply }) };
    progress.stage(`scoring ${set.genuine + set.impostor} comparisons of ${names[i]}`);
    judged.push({ ...embeddings, embeddingMs, evaluated: evaluateEmbeddings(embeddings.unit, set, settings) });
    signal.throwIfAborted();
  }
  const split = request.cohort === undefined ? undefined : cohortSplit(first.data, set, request.cohort);
  const cohortSettings = { far: at(fars, 0), replicates: request.replicates, seed: request.seed };
  const reference = at(judged, 0);
  const rows: EvaluateReport["models"][number][] = [];
  for (const [i, model] of models.entries()) {
    const { file, card, data, role } = model;
    const mine = at(judged, i);
    if (i > 0) progress.stage(`comparing ${names[i]} with ${first.file.path}`);
    const runtime = model.runtime ?? (await runtimes.for(file));
    const versus = i === 0 ? undefined : versusOf(reference, mine, set, request);
    signal.throwIfAborted();
    const byCohort = split === undefined ? {} : judgeCohorts(mine, i === 0 ? undefined : reference, split, cohortSettings);
    const contract = request.contract && role === "candidate";
    if (contract) progress.stage(`trying the usual pre-processing mistakes on ${file.path}`);
    rows.push({
      file: file.path,
      name: at(names, i),
      role,
      sha256: file.sha256,
      sizeBytes: file.bytes.length,
      runtime: `${runtime.id} ${runtime.version}`,
      card: card.name,
      space: await spaceOfFile(file, card),
      ...(card.embeddingSpace === undefined ? {} : { declaredSpace: card.embeddingSpace }),
      dimension: card.output.dimension,
      embeddingMs: mine.embeddingMs,
      accuracy: mine.evaluated.accuracy,
      ...(versus === undefined ? {} : { versus }),
      // The previous version need not be as good as the one that takes its place.
      gates: [
        ...gatesOf(mine, i === 0 || role === "previous" ? undefined : reference, set, fars),
        ...(byCohort.gate === undefined || role === "previous" ? [] : [byCohort.gate]),
      ],
      ...(byCohort.cohorts === undefined ? {} : { cohorts: byCohort.cohorts }),
      ...(contract
        ? {
            preprocessing: await checkPreprocessing(file.bytes, {
              ...{ runtime, card, data, set, signal, geometry: true },
              onProgress: (done) => progress.at(done),
            }),
          }
        : {}),
      curves: mine.evaluated.curves,
    });
    signal.throwIfAborted();
  }
  const mixed =
    request.matrix === undefined ? undefined : await mixModels({ models, names, judged, set }, request.matrix, request);
  const facts = { models, rows, judged, set };
  const plain = request.outDir === undefined ? [] : writeThresholdCards(request.outDir, facts);
  const written = mixed === undefined ? plain : writeMixed(mixed, facts);
  return {
    kind: "tessera-evaluate-report",
    version: 1,
    machine: machineOf(request.hardware, { runtimes: await runtimes.started(), threads: 1 }),
    data: {
      evaluation: evaluationSummary(first.data, set),
      failuresToAcquire: failuresOf(first.data),
      convention: RATE_CONVENTION,
    },
    ...(normalisers === undefined ? {} : { scoreNorm: at(normalisers, 0).summary }),
    models: rows,
    ...(mixed === undefined ? {} : { matrix: mixed.matrix }),
    written,
  };
}

/** Files by their names, and what tells two runs of one file apart. */
function matrixNames(models: readonly Evaluatee[]): readonly string[] {
  const plain = models.map(({ file, role, runtime }) => {
    const where = runtime === undefined ? "" : ` on ${runtime.id}`;
    return role === "previous" ? `${file.path} (previous)` : `${file.path}${where}`;
  });
  return plain.map((name, i) => (plain.indexOf(name) === i ? name : `${name} (${i + 1})`));
}

function versusOf(reference: Judged, mine: Judged, set: EvaluationSet, request: EvaluateRequest): EvaluateVersus {
  const versus = compareToBaseline(reference, mine, set, request);
  if (reference.unit.dim === mine.unit.dim) return versus;
  const { cosineMean: _mean, cosineMin: _min, ...rest } = versus;
  return rest;
}

function requireSameRows(set: EvaluationSet, other: EvaluationSet, file: Runnable): void {
  if (set.rows.length === other.rows.length && set.rows.every((row, i) => row === other.rows[i])) return;
  throw fail("DATASET_INVALID", `Cannot compare ${file.path} with the first model: faces were found in other pictures for it`, {
    hint: "Evaluate it alone, or use --on-no-face centre-crop",
  });
}
