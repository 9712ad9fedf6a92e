import { basename } from "node:path";
import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import type { TarAtFar } from "@tessera/core/protocol/report";
import { readHardware } from "@tessera/runtimes/hardware";
import { findCard } from "../io/card-file.ts";
import { formatRow } from "../io/formats.ts";
import { readRunnable } from "../io/runnable.ts";
import { cohortLines } from "../ui/cohort-lines.ts";
import { DATA_OPTIONS, dataOf } from "../ui/data-options.ts";
import { count, far as farText, ms, percent } from "../ui/format.ts";
import { matrixLines } from "../ui/matrix-lines.ts";
import { preprocessingLines } from "../ui/preprocessing-lines.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { RUNTIME_OPTION, runtimesOption } from "../ui/runtime-options.ts";
import { renderTable } from "../ui/table.ts";
import { choiceOption, numberList, numberOption, verb } from "../ui/verb.ts";
import { evaluateModels } from "../work/evaluate.ts";
import type { Evaluatee, EvaluateReport } from "../work/evaluatee.ts";
import { exportCrops } from "../work/export-crops.ts";
import { RUNTIME_IDS, type Runtimes } from "../work/runtime.ts";
import { type EmbeddingCard, embeddingCard, SAMPLE_WORDS, samplesWanted } from "../work/samples.ts";
import { SCORE_NORM_NAMES } from "../work/score-norm.ts";

export const evaluate = verb(
  {
    name: "evaluate",
    description:
      "Judge models on pairs of people: TAR at FAR with intervals, EER, thresholds, and what changes against the first",
    rest: true,
  },
  {
    model: {
      type: "positional",
      description: "The file, .onnx, .ort or .tflite; further files are compared with it",
      required: true,
    },
    ...DATA_OPTIONS,
    far: { type: "string", description: "FARs to answer", default: "1e-3,1e-4" },
    protocol: { type: "string", description: "all-pairs or pair-list", default: "all-pairs" },
    replicates: { type: "string", description: "Bootstrap replicates of people", default: "500" },
    seed: { type: "string", description: "Seed of the bootstrap", default: "1" },
    runtime: RUNTIME_OPTION,
    matrix: {
      type: "boolean",
      description: "Enrol with each model and probe with each: do templates stay, or must people enrol again",
      default: false,
    },
    previous: { type: "string", description: "The model that enrolled so far; implies --matrix" },
    "previous-card": { type: "string", description: "Its card (default: next to it, or in --cards)" },
    "other-runtime": {
      type: "string",
      description: `Also run the first model on ${RUNTIME_IDS.join(", ")}; implies --matrix`,
    },
    adapters: {
      type: "string",
      description: "Fit maps from one embedding space to another on the calibration faces: needed, always or never",
      default: "needed",
    },
    "max-drop": { type: "string", description: "TAR that a mixture of models may lose", default: "0.5%" },
    out: {
      type: "string",
      description:
        "Folder for the models' cards with the thresholds measured; of a matrix also with what other models' templates are worth, and adapters",
    },
    contract: {
      type: "boolean",
      description:
        "Try the usual pre-processing mistakes; exit code 1 when one of them separates people better than what the card says",
      default: false,
    },
    cohort: { type: "string", description: "Column of the manifest to split people by: rates of each cohort, and what it loses" },
    "max-cohort-drop": { type: "string", description: "TAR that any cohort may lose against the first model, e.g. 1%" },
    "score-norm": {
      type: "string",
      description: `Score by cosines, or by deviations above a cohort of other people (role cohort or calib): ${SCORE_NORM_NAMES.join(", ")}`,
      default: "none",
    },
    flips: { type: "string", description: "Decisions that flip to list for each model", default: "5" },
    "aligned-out": {
      type: "string",
      description: "Also write aligned, pre-processed faces (crops.f32, index.json) for other tools",
    },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const fars = numberList("far", args.far, { min: 1e-9, max: 0.5 });
    const protocol = choiceOption("protocol", args.protocol, ["all-pairs", "pair-list"]);
    const replicates = numberOption("replicates", args.replicates, { min: 10, max: 100_000 }) as number;
    const seed = numberOption("seed", args.seed, { min: 0 }) as number;
    const flips = numberOption("flips", args.flips, { min: 0, max: 1000 }) as number;
    const runtimes = runtimesOption(args.runtime);
    const adapters = choiceOption("adapters", args.adapters, ["needed", "always", "never"]);
    const maxDrop = numberOption("max-drop", args["max-drop"], { min: 0, max: 1 }) as number;
    const maxCohortDrop = numberOption("max-cohort-drop", args["max-cohort-drop"], { min: 0, max: 1 });
    if (maxCohortDrop !== undefined && args.cohort === undefined)
      throw fail("USAGE", "Cannot limit what cohorts lose: no column is given", { hint: "Name one with --cohort" });
    const otherRuntime = args["other-runtime"];
    const matrix = args.matrix || args.previous !== undefined || otherRuntime !== undefined;
    const scoreNorm = choiceOption("score-norm", args["score-norm"], SCORE_NORM_NAMES);
    if (scoreNorm !== "none" && matrix)
      throw fail("USAGE", "Cannot mix models by normalised scores: templates are compared by cosine, without a cohort", {
        hint: "Leave out --score-norm or the matrix",
      });
    if (scoreNorm !== "none" && args.out !== undefined)
      throw fail("USAGE", "Cannot write cards: their thresholds are for cosines, and normalised scores are none", {
        hint: "Leave out --score-norm or --out",
      });
    const models: Evaluatee[] = [];
    const add = async (path: string, role: Evaluatee["role"], card: EmbeddingCard, runtime?: Runtime): Promise<void> => {
      const file = readRunnable(path);
      // Models that want the same samples share them.
      const like = models.find((m) => samplesWanted(m.card) === samplesWanted(card));
      const loading = { ...tools, card, runtimes, progress };
      const data = like?.data ?? (await dataOf(args.data, args, loading));
      const wantsOthers = scoreNorm !== "none" || (matrix && adapters !== "never");
      const calibration =
        like !== undefined
          ? like.calibration
          : wantsOthers && args.calib !== undefined
            ? await dataOf(args.calib, args, loading)
            : data;
      models.push({ file, card, data, calibration, role, ...(runtime === undefined ? {} : { runtime }) });
    };
    const card = embeddingCard(findCard(args.model, args));
    await add(args.model, "candidate", card);
    for (const path of tools.rest) await add(path, "candidate", embeddingCard(findCard(path, args)));
    if (otherRuntime !== undefined)
      await add(args.model, "elsewhere", card, await otherRuntimeOf(otherRuntime, at(models, 0), runtimes));
    if (args.previous !== undefined) {
      const previousCard = findCard(args.previous, { card: args["previous-card"], cards: args.cards });
      await add(args.previous, "previous", embeddingCard(previousCard));
    }
    const out = args["aligned-out"];
    if (out !== undefined) {
      const { data, card } = at(models, 0);
      progress.stage(`writing aligned faces to ${out}`);
      progress.note(`${exportCrops(out, data, card).count} aligned faces written to ${out}`);
    }
    const report = await evaluateModels(models, {
      runtimes,
      hardware: await readHardware(),
      fars,
      protocol,
      replicates,
      seed,
      matrix: matrix ? { adapters, maxDrop, outDir: args.out } : undefined,
      ...(matrix ? {} : { outDir: args.out }),
      contract: args.contract,
      scoreNorm,
      ...(args.cohort === undefined
        ? {}
        : { cohort: { column: args.cohort, ...(maxCohortDrop === undefined ? {} : { maxDrop: maxCohortDrop }) } }),
      progress,
      signal: tools.signal,
    });
    progress.end();
    if (tools.json) printJson(report);
    else printLines(...evaluateLines(report, { flips, samples: at(models, 0).data.samples.kind }));
    const questioned = report.models.some((m) => m.preprocessing?.questioned === true);
    return report.models.every((m) => m.gates.every((g) => g.pass)) && !questioned ? 0 : 1;
  },
);

/** @throws USAGE when it does not run such files, or runs them anyway */
async function otherRuntimeOf(value: string, first: Evaluatee, runtimes: Runtimes): Promise<Runtime> {
  const id = choiceOption("other-runtime", value, RUNTIME_IDS);
  const { format } = first.file;
  if (!formatRow(format).runtimes.includes(id))
    throw fail("USAGE", `Cannot run ${first.file.path} on ${id}: .${format} runs on ${formatRow(format).runtimes.join(" or ")}`);
  if ((await runtimes.for(first.file)).id === id)
    throw fail("USAGE", `Cannot compare ${id} with itself: ${first.file.path} runs on it already`);
  return runtimes.get(id);
}

function figure(point: TarAtFar | undefined): string {
  if (point?.kind !== "figure") return `needs ${count(point?.needsMore ?? 0)} more`;
  return `${percent(point.tar.value)} (${(point.tar.low * 100).toFixed(2)}..${(point.tar.high * 100).toFixed(2)})`;
}

function eerText({ raw, convexHull, interval }: EvaluateReport["models"][number]["accuracy"]["eer"]): string {
  if (interval === undefined) return `${percent(raw)} (${percent(convexHull)})`;
  return `${percent(raw)} (${(interval.low * 100).toFixed(2)}..${(interval.high * 100).toFixed(2)}, ${percent(convexHull)})`;
}

function evaluateLines(
  report: EvaluateReport,
  { flips, samples }: { readonly flips: number; readonly samples: keyof typeof SAMPLE_WORDS },
): readonly (string | undefined)[] {
  const { data, models, matrix, written } = report;
  const fars = at(models, 0).accuracy.tarAtFar.map((p) => p.far);
  const right = (title: string) => ({ title, right: true });
  const hasEerIntervals = at(models, 0).accuracy.eer.interval !== undefined;
  const columns = [
    { title: "model" },
    ...fars.map((f) => right(`TAR@${farText(f)} (95 %)`)),
    right(hasEerIntervals ? "EER (95 %, hull)" : "EER (hull)"),
    right("d'"),
    right("folds"),
    right("scoring"),
  ];
  const rows = models.map(({ file, accuracy: a }) => [
    basename(file),
    ...a.tarAtFar.map(figure),
    eerText(a.eer),
    a.dPrime.toFixed(2),
    a.folds === undefined ? "-" : `${percent(a.folds.mean)} +- ${(a.folds.standardError * 100).toFixed(2)}`,
    ms(a.scoringMs),
  ]);
  const thresholds = models.flatMap(({ file, accuracy }) =>
    accuracy.tarAtFar.flatMap((p) =>
      p.kind === "figure"
        ? [[basename(file), farText(p.far), p.threshold.toFixed(5), count(p.falseMatches), count(p.falseNonMatches)]]
        : [],
    ),
  );
  const { evaluation, failuresToAcquire: fta } = data;
  return [
    `${count(evaluation.samples)} ${SAMPLE_WORDS[samples].recorded} of ${count(evaluation.subjects)} people of ${evaluation.name}, ${evaluation.protocol}: ${count(evaluation.genuine)} genuine and ${count(evaluation.impostor)} impostor comparisons`,
    report.scoreNorm === undefined ? undefined : scoreNormLine(report.scoreNorm),
    fta.count === 0 ? undefined : `${fta.count} failures to acquire: ${fta.policy}`,
    "",
    renderTable(columns, rows),
    "",
    thresholds.length === 0
      ? undefined
      : renderTable(
          [{ title: "model" }, right("FAR"), right("threshold"), right("false matches"), right("false non-matches")],
          thresholds,
        ),
    ...models.flatMap((m) => versusLines(m, flips)),
    ...(matrix === undefined ? [] : matrixLines(matrix)),
    ...written.map((w) => `written: ${w.file}, ${count(w.sizeBytes)} bytes: ${w.says}`),
    ...models.flatMap((m) => (m.cohorts === undefined ? [] : cohortLines(m.name, m.cohorts))),
    ...models.flatMap((m) => (m.preprocessing === undefined ? [] : preprocessingLines(basename(m.file), m.preprocessing))),
    ...models.flatMap((m) => m.gates.filter((g) => !g.pass).map((g) => `GATE FAILED, ${basename(m.file)}: ${g.says}`)),
    "",
    data.convention,
  ];
}

function scoreNormLine({ method, people, top, data }: NonNullable<EvaluateReport["scoreNorm"]>): string {
  const who = top === people ? `${people} people` : `the ${top} most alike of ${people} people`;
  return `scores by ${method}: deviations above the mean of ${who} of ${data}, both sides averaged; thresholds are no cosines`;
}

function versusLines({ name, versus }: EvaluateReport["models"][number], limit: number): readonly string[] {
  if (versus === undefined) return [];
  return [
    "",
    `${name} against the first model: ${
      versus.cosineMean === undefined
        ? "embeddings of another dimension"
        : `mean cosine ${versus.cosineMean.toFixed(5)}, least ${versus.cosineMin?.toFixed(5)}`
    }`,
    ...versus.tarDifference.map(
      ({ far, difference: d }) =>
        `  TAR@${farText(far)} ${d.value >= 0 ? "+" : ""}${percent(d.value)} (${Math.round(d.confidence * 100)} % ${percent(d.low)}..${percent(d.high)})`,
    ),
    ...versus.realisedFar.map(
      (r) =>
        `  at the first model's threshold for ${farText(r.far)} (${r.threshold.toFixed(5)}) the FAR is ${r.realised.toExponential(2)}`,
    ),
    ...versus.flips.flatMap((f) => [
      `  at ${farText(f.far)} ${f.newlyAccepted} decisions turn to accept (${f.impostorsNewlyAccepted} of them impostors), ${f.newlyRejected} to reject`,
      ...f.examples
        .slice(0, limit)
        .map(
          (e) =>
            `    ${e.genuine ? "same person" : "impostor"} now ${e.accepted ? "accepted" : "rejected"}, ${e.baselineScore.toFixed(4)} to ${e.score.toFixed(4)}: ${e.a} ${e.b}`,
        ),
    ]),
  ];
}
