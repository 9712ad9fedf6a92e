import { printFusion } from "@tessera/core/biometrics/fusion";
import { FUSION_DEFAULTS } from "@tessera/core/biometrics/fusion-fit";
import { NORMALISATIONS } from "@tessera/core/biometrics/fusion-normalise";
import { DENSITIES } from "@tessera/core/biometrics/fusion-ratio";
import { readText, writeFile } from "../io/files.ts";
import { printJson, printLines } from "../ui/print.ts";
import { renderTable } from "../ui/table.ts";
import { choiceOption, numberList, numberOption, verb } from "../ui/verb.ts";
import { type FittedScores, fitScores, parseScoreTable } from "../work/fit-scores.ts";

const METHODS = ["logistic", "sum", "likelihood-ratio"] as const;

export const fuseScores = verb(
  {
    name: "fuse-scores",
    description: "Fit a fusion of scores of several modalities, such as face and voice, to a table of trials",
  },
  {
    table: {
      type: "positional",
      description:
        "CSV: genuine (0 or 1), a column of scores per modality, perhaps NAME.quality (0..1) and fold (people must not be in two)",
      required: true,
    },
    output: { type: "string", alias: "o", description: "Where to write the fusion, JSON", required: true },
    method: { type: "string", description: METHODS.join(", "), default: FUSION_DEFAULTS.method },
    normalisation: {
      type: "string",
      description: `For sum: ${NORMALISATIONS.join(", ")}`,
      default: FUSION_DEFAULTS.normalisation,
    },
    weights: { type: "string", description: "For sum: equal or d-prime", default: FUSION_DEFAULTS.weights },
    density: { type: "string", description: `For likelihood-ratio: ${DENSITIES.join(", ")}`, default: FUSION_DEFAULTS.density },
    prior: {
      type: "string",
      description: "Share that genuine trials count for in the fit",
      default: String(FUSION_DEFAULTS.prior),
    },
    subsets: {
      type: "string",
      description:
        "Sets of modalities that may answer, as face+voice,face; all of them unless given. A set left out is refused on the device",
    },
    far: { type: "string", description: "False accept rates to give thresholds for", default: "0.01,0.001" },
  },
  async (args, tools) => {
    const fars = numberList("far", args.far, { min: Number.MIN_VALUE, max: 1 });
    const options = {
      method: choiceOption("method", args.method, METHODS),
      normalisation: choiceOption("normalisation", args.normalisation, NORMALISATIONS),
      weights: choiceOption("weights", args.weights, ["equal", "d-prime"]),
      density: choiceOption("density", args.density, DENSITIES),
      prior: numberOption("prior", args.prior, { min: 1e-9, max: 1 - 1e-9 }) as number,
      ...(args.subsets === undefined ? {} : { subsets: args.subsets.split(",").map((set) => set.split("+")) }),
    };
    const fitted = fitScores(parseScoreTable(readText(args.table), args.table), options, fars);
    writeFile(args.output, printFusion(fitted.model));
    const { heldOut, systems, model } = fitted;
    const report = {
      kind: "tessera-fuse-scores-report",
      version: 1,
      output: args.output,
      trials: model.trials,
      heldOut,
      systems,
    };
    if (tools.json) printJson(report);
    else printLines(...lines(fitted, args.output));
    return 0;
  },
);

function lines({ model, heldOut, systems }: FittedScores, output: string): readonly string[] {
  const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
  const [first] = systems;
  const columns = ["EER", "Cllr", ...(first?.points ?? []).map((p) => `TAR at FAR ${p.far}`)].map((title) => ({
    title,
    right: true,
  }));
  const rows = systems.map(({ system, eer, cllr, points }) => [
    system,
    percent(eer),
    cllr?.toFixed(3) ?? "",
    ...points.map((p) =>
      p.kind === "insufficient-data" ? `needs ${p.needsMore} more` : `${percent(p.tar)} at ${p.threshold.toFixed(3)}`,
    ),
  ]);
  return [
    renderTable([{ title: "system" }, ...columns], rows),
    heldOut
      ? "held out: every trial was scored by a fit to the other folds"
      : "not held out: these are the very trials of the fit, which flatters; a column fold would tell more",
    `written: ${output}, for ${model.rules.map((rule) => rule.modalities.join("+")).join(", ")}`,
  ];
}
