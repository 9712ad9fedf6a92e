import { basename } from "node:path";
import { at } from "@tessera/core/base/assert";
import { faceEmbeddingCard } from "@tessera/core/modality/card";
import type { TarAtFar } from "@tessera/core/protocol/report";
import { readHardware } from "@tessera/runtimes/hardware";
import { findCard } from "../io/card-file.ts";
import { readRunnable } from "../io/runnable.ts";
import { FACE_OPTIONS, faceDataOf } from "../ui/face-options.ts";
import { count, far as farText, ms, percent } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { RUNTIME_OPTION, runtimesOption } from "../ui/runtime-options.ts";
import { renderTable } from "../ui/table.ts";
import { choiceOption, numberList, numberOption, verb } from "../ui/verb.ts";
import { type Evaluatee, type EvaluateReport, evaluateModels } from "../work/evaluate.ts";
import { exportCrops } from "../work/export-crops.ts";

const { calib: _, ...FACES } = FACE_OPTIONS;

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
    ...FACES,
    far: { type: "string", description: "FARs to answer", default: "1e-3,1e-4" },
    protocol: { type: "string", description: "all-pairs or pair-list", default: "all-pairs" },
    replicates: { type: "string", description: "Bootstrap replicates of people", default: "500" },
    seed: { type: "string", description: "Seed of the bootstrap", default: "1" },
    runtime: RUNTIME_OPTION,
    matrix: { type: "boolean", description: "Enrol with each model and probe with each", default: false },
    contract: { type: "boolean", description: "Try the usual pre-processing mistakes", default: false },
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
    const models: Evaluatee[] = [];
    for (const path of [args.model, ...tools.rest]) {
      const file = readRunnable(path);
      const card = faceEmbeddingCard(findCard(path, args));
      // Models that want the same crops share them.
      const like = models.find((m) => JSON.stringify(cropsOf(m.card)) === JSON.stringify(cropsOf(card)));
      const data = like?.data ?? (await faceDataOf(args.data, args, { ...tools, card, runtimes, progress }));
      models.push({ file, card, data });
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
      matrix: args.matrix,
      contract: args.contract,
      progress,
      signal: tools.signal,
    });
    progress.end();
    if (tools.json) printJson(report);
    else printLines(...evaluateLines(report, flips));
    return report.models.every((m) => m.gates.every((g) => g.pass)) ? 0 : 1;
  },
);

function cropsOf({ input }: Evaluatee["card"]) {
  return { placement: input.placement, width: input.width, height: input.height };
}

function figure(point: TarAtFar | undefined): string {
  if (point?.kind !== "figure") return `needs ${count(point?.needsMore ?? 0)} more`;
  return `${percent(point.tar.value)} (${(point.tar.low * 100).toFixed(2)}..${(point.tar.high * 100).toFixed(2)})`;
}

function evaluateLines(report: EvaluateReport, flips: number): readonly (string | undefined)[] {
  const { data, models, matrix } = report;
  const fars = at(models, 0).accuracy.tarAtFar.map((p) => p.far);
  const right = (title: string) => ({ title, right: true });
  const columns = [
    { title: "model" },
    ...fars.map((f) => right(`TAR@${farText(f)} (95 %)`)),
    right("EER (hull)"),
    right("d'"),
    right("folds"),
    right("scoring"),
  ];
  const rows = models.map(({ file, accuracy: a }) => [
    basename(file),
    ...a.tarAtFar.map(figure),
    `${percent(a.eer.raw)} (${percent(a.eer.convexHull)})`,
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
    `${count(evaluation.samples)} pictures of ${count(evaluation.subjects)} people of ${evaluation.name}, ${evaluation.protocol}: ${count(evaluation.genuine)} genuine and ${count(evaluation.impostor)} impostor comparisons`,
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
    ...models.flatMap((m) => (m.preprocessing === undefined ? [] : [`${basename(m.file)}: ${m.preprocessing.says}`])),
    ...models.flatMap((m) => m.gates.filter((g) => !g.pass).map((g) => `GATE FAILED, ${basename(m.file)}: ${g.says}`)),
    "",
    data.convention,
  ];
}

function versusLines({ file, versus }: EvaluateReport["models"][number], limit: number): readonly string[] {
  if (versus === undefined) return [];
  return [
    "",
    `${basename(file)} against the first model: mean cosine ${versus.cosineMean.toFixed(5)}, least ${versus.cosineMin.toFixed(5)}`,
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

function matrixLines(matrix: NonNullable<EvaluateReport["matrix"]>): readonly string[] {
  const rows = matrix.models.map((enrol, i) => [
    basename(enrol),
    ...matrix.models.map((_, j) => {
      const cell = matrix.cells[i]?.[j];
      return cell?.tar === undefined
        ? "too few"
        : `${percent(cell.tar)} (FAR ${(cell.fmrAtBaselineThreshold ?? 0).toExponential(1)})`;
    }),
  ]);
  return [
    "",
    renderTable(
      [
        { title: `enrolled with, TAR@${farText(matrix.far)}` },
        ...matrix.models.map((m) => ({ title: `probed with ${basename(m)}`, right: true })),
      ],
      rows,
    ),
    matrix.verdict,
  ];
}
