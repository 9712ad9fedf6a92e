import { basename, extname } from "node:path";
import { fail } from "@tessera/core/base/error";
import { parseFusion } from "@tessera/core/biometrics/fusion";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { ModelCard } from "@tessera/core/modality/card";
import { printCard } from "@tessera/core/modality/read-card";
import type { FuseHead } from "@tessera/core/passes/fuse-head";
import { FUSE_DEFAULTS, type FusedModel, type FusePart, fuseModels } from "@tessera/core/passes/fuse-models";
import { cardOrNone } from "../io/card-file.ts";
import { readText, sha256, writeFile } from "../io/files.ts";
import { formatOfName, stemOf } from "../io/formats.ts";
import { parseHeadWeights } from "../io/head-file.ts";
import { type ModelFile, readModelFile } from "../io/model-file.ts";
import { runnableOf } from "../io/runnable.ts";
import { bytes as size } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { renderTable } from "../ui/table.ts";
import { choiceOption, numberList, numberOption, verb } from "../ui/verb.ts";
import { branchCard, canonicalCard } from "../work/fuse-cards.ts";
import { type FuseProof, proveFused } from "../work/fuse-proof.ts";
import { type Parity, provePair } from "../work/parity.ts";
import { createRuntimes } from "../work/runtime.ts";

const HEADS = ["concat", "mlp", "none"] as const;
/** What a part that had to be read from another format, or brought to another batch, may differ from its file by, as a share of the magnitude. */
const CROSSING_TOLERANCE = 1e-4;

export const fuse = verb(
  {
    name: "fuse",
    description: "Merge models of several modalities into one graph, and prove that it gives what they give",
    rest: true,
  },
  {
    model: { type: "positional", description: "The .onnx or .tflite file of the first branch", required: true },
    other: { type: "positional", description: "That of the second; more may follow", required: true },
    output: { type: "string", alias: "o", description: "Where to write the result, .onnx", required: true },
    head: {
      type: "string",
      description:
        "concat: unit embeddings side by side, whose cosine is the weighted sum of the branches'; mlp: layers over that; none: the outputs of all",
      default: "concat",
    },
    weights: {
      type: "string",
      description: "Shares of the branches in the fused cosine, with commas between (default: all the same)",
    },
    fusion: {
      type: "string",
      description: "Take the shares from a fusion of scores that was fitted by logistic regression (JSON)",
    },
    "head-weights": { type: "string", description: "For mlp: JSON file with its layers" },
    names: {
      type: "string",
      description: "Names of the branches, with commas between (default: modalities of the cards, else file names)",
    },
    embeddings: {
      type: "string",
      description: "Outputs that go into the head, with commas between (default: that of the card, or the only one)",
    },
    "fused-name": { type: "string", description: "Name of the head's output", default: FUSE_DEFAULTS.output },
    branches: { type: "boolean", description: "Keep the outputs of the branches beside the head's", default: true },
    batch: {
      type: "string",
      description: "Batch of all branches: a number, or a name to leave it open (default: what they have in common)",
    },
    cards: { type: "string", description: "Folder to look for the models' cards in besides their own" },
    prove: { type: "boolean", description: "Compare with the separate models on ONNX Runtime", default: true },
    inputs: {
      type: "string",
      description: "Folder with samples for the proof, a folder per input inside; random ones unless given",
    },
    trials: { type: "string", description: "Random inputs of the proof", default: "4" },
    seed: { type: "string", description: "Seed of random inputs", default: "1" },
    tolerance: { type: "string", description: "Largest difference, as a share of an output's magnitude", default: "1e-5" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const kind = choiceOption("head", args.head, HEADS);
    const tolerance = numberOption("tolerance", args.tolerance, { min: 0, max: 1 }) as number;
    const trials = numberOption("trials", args.trials, { min: 1, max: 100_000 }) as number;
    const seed = numberOption("seed", args.seed, { min: 0 }) as number;
    if ((formatOfName(args.output) ?? "onnx") !== "onnx")
      throw fail("USAGE", `Cannot write ${args.output}: a fused model is written as .onnx`, {
        hint: "Convert that with tessera convert",
      });
    if ((kind === "mlp") !== (args["head-weights"] !== undefined))
      throw fail("USAGE", "Cannot build the head: --head mlp and --head-weights go together");
    const paths = [args.model, args.other, ...tools.rest];
    const files = paths.map(floatFile);
    const cards = paths.map((path) => cardOrNone(path, args));
    const names = args.names === undefined ? defaultNames(paths, cards) : listOf("names", args.names, paths.length);
    const shares = sharesOf(args, names);
    const embeddings = args.embeddings === undefined ? undefined : listOf("embeddings", args.embeddings, paths.length);
    const parts = files.map((file, i): FusePart => {
      const embedding = embeddings?.[i] ?? embeddingOf(file, cards[i]);
      const weight = shares?.weights[i];
      return { name: names[i] as string, model: file.model, ...(embedding && { embedding }), ...(weight && { weight }) };
    });
    const head: FuseHead =
      kind === "mlp" ? { kind, layers: parseHeadWeights(readText(args["head-weights"] as string)) } : { kind };
    const batch = args.batch === undefined ? undefined : /^\d+$/.test(args.batch) ? Number(args.batch) : args.batch;
    const fused = fuseModels(parts, {
      head,
      output: args["fused-name"],
      branches: args.branches,
      ...(batch === undefined ? {} : { batch }),
    });
    const bytes = modelToOnnx(fused.model);
    const proof = args.prove ? await proved() : undefined;
    const digest = sha256(bytes);
    const isGood = proof?.proof.kind !== "refuted";
    const stem = stemOf(args.output);
    if (isGood) writeFile(args.output, bytes);
    const written = fused.parts.map((part, i) => {
      const card = cards[i] && branchCard(canonicalCard(cards[i], part), part, { fused, sha256: digest });
      const path = `${stem}.${part.name}.card.json`;
      if (card === undefined || !isGood) return undefined;
      writeFile(path, printCard(card));
      return path;
    });
    const report = {
      kind: "tessera-fuse-report",
      version: 1,
      output: { file: args.output, sha256: digest, sizeBytes: bytes.length },
      head: fused.head === undefined ? { kind } : { kind, ...fused.head, metric: "cosine", ...shares?.calibration },
      parts: fused.parts.map((part, i) => ({
        name: part.name,
        file: paths[i] as string,
        sha256: (files[i] as ModelFile).sha256,
        sizeBytes: (files[i] as ModelFile).bytes.length,
        inputs: Object.fromEntries(part.inputs),
        outputs: Object.fromEntries(part.outputs),
        ...(part.embedding === undefined ? {} : { embedding: part.embedding }),
        ...(written[i] === undefined ? {} : { card: written[i] }),
      })),
      notes: [...files.flatMap((file) => file.notes), ...fused.notes],
      proof: proof?.proof ?? { kind: "off" },
      ...(proof === undefined || proof.crossings.length === 0 ? {} : { parity: proof.crossings }),
    } as const;
    if (isGood) writeFile(`${stem}.fused.json`, `${JSON.stringify(report, undefined, 2)}\n`);
    progress.end();
    if (tools.json) printJson(report);
    else printLines(...lines(fused, report));
    return isGood ? 0 : 1;

    async function proved(): Promise<{ readonly proof: FuseProof; readonly crossings: readonly Parity[] }> {
      const runtimes = createRuntimes();
      // In this process: starting threads for sessions that run a few times is what a short command would wait for.
      const runtime = await (await import("@tessera/runtimes/ort-node")).ortNodeRuntime({ worker: false });
      progress.stage("comparing with the separate models");
      const inputs = { folder: args.inputs, trials, seed };
      const crossings: Parity[] = [];
      for (const [i, part] of fused.parts.entries()) {
        const file = files[i] as ModelFile;
        const isAsRead = file.format === "onnx" && !fused.notes.some((note) => note.startsWith(`${part.name}: batch`));
        if (isAsRead) continue;
        const sides = [
          { file: runnableOf(file), runtime: await runtimes.taking(runnableOf(file)) },
          { file: { bytes: modelToOnnx(part.model), externalData: new Map() }, runtime },
        ] as const;
        const bounds = { relative: CROSSING_TOLERANCE, absolute: 1e-6 };
        crossings.push(await provePair(...sides, { inputs: { folder: undefined, trials, seed }, bounds, signal: tools.signal }));
      }
      return { proof: await proveFused({ runtime, bytes, fused, head, inputs, tolerance, signal: tools.signal }), crossings };
    }
  },
);

function floatFile(path: string): ModelFile {
  const file = readModelFile(path);
  if (file.plan !== undefined)
    throw fail("UNSUPPORTED_FORMAT", `Cannot fuse ${path}: it is quantized, and graphs are merged in float`, {
      hint: "Fuse the float models and quantize the result",
    });
  return file;
}

function listOf(name: string, value: string, count: number): readonly string[] {
  const words = value.split(",").map((word) => word.trim());
  if (words.length !== count || words.includes(""))
    throw fail("USAGE", `Cannot use --${name} ${value}: ${count} models need ${count} of them`);
  return words;
}

/** Modalities where every model has a card and no two are the same; else the names of the files, numbered where they are the same. */
function defaultNames(paths: readonly string[], cards: readonly (ModelCard | undefined)[]): readonly string[] {
  const modalities = cards.map((card) => card?.modality);
  if (modalities.every((m) => m !== undefined) && new Set(modalities).size === modalities.length) return modalities;
  const stems = paths.map((path) => {
    const word = basename(path, extname(path))
      .replaceAll(/[^A-Za-z0-9_-]/g, "_")
      .slice(0, 28);
    return /^[A-Za-z]/.test(word) ? word : `m${word}`;
  });
  return stems.map((stem, i) => (stems.indexOf(stem) === i ? stem : `${stem}-${i + 1}`));
}

/** The output that a card names; nothing where the file calls it otherwise, as one that came from another format may. */
function embeddingOf({ model }: ModelFile, card: ModelCard | undefined): string | undefined {
  if (card?.output.kind !== "embedding") return undefined;
  const { tensor } = card.output;
  return model.graph.outputs.some((o) => o.name === tensor) ? tensor : undefined;
}

/** Shares of the branches, and what turns the fused cosine into a log-likelihood ratio where a fusion says it. */
function sharesOf(
  args: { readonly weights?: string | undefined; readonly fusion?: string | undefined },
  names: readonly string[],
):
  | { readonly weights: readonly number[]; readonly calibration?: { readonly intercept: number; readonly slope: number } }
  | undefined {
  if (args.weights !== undefined && args.fusion !== undefined) throw fail("USAGE", "Cannot use --weights and --fusion together");
  if (args.weights !== undefined) {
    const weights = numberList("weights", args.weights, { min: Number.MIN_VALUE });
    if (weights.length !== names.length)
      throw fail("USAGE", `Cannot use --weights ${args.weights}: there are ${names.length} models`);
    return { weights };
  }
  if (args.fusion === undefined) return undefined;
  const model = parseFusion(readText(args.fusion));
  const rule = model.rules.find(
    (r) => r.modalities.length === names.length && names.every((name) => r.modalities.includes(name)),
  );
  const isLinear = model.method === "logistic" && model.modalities.every((m) => m.quality === undefined);
  if (rule === undefined || !isLinear || rule.weights.some((w) => !(w > 0)))
    throw fail(
      "USAGE",
      `Cannot take shares from ${args.fusion}: it must be logistic, without qualities, with a rule for ${names.join(", ")} and weights above 0`,
    );
  const weights = names.map((name) => rule.weights[rule.modalities.indexOf(name)] as number);
  return { weights, calibration: { intercept: rule.intercept, slope: weights.reduce((sum, w) => sum + w, 0) } };
}

interface Said {
  readonly output: { readonly file: string; readonly sizeBytes: number };
  readonly parts: readonly {
    readonly name: string;
    readonly file: string;
    readonly sizeBytes: number;
    readonly card?: string | undefined;
  }[];
  readonly notes: readonly string[];
  readonly proof: FuseProof | { readonly kind: "off" };
}

function lines(
  { model, head, parts }: FusedModel,
  { output, parts: files, notes, proof }: Said,
): readonly (string | undefined)[] {
  const columns = [
    { title: "branch" },
    { title: "inputs" },
    { title: "outputs" },
    { title: "share", right: true },
    { title: "file", right: true },
  ];
  const given = new Set(model.graph.outputs.map((o) => o.name));
  const rows = parts.map((part, i) => [
    part.name,
    [...part.inputs.values()].join(", "),
    [...part.outputs.values()].filter((name) => given.has(name)).join(", "),
    part.embedding === undefined ? "" : part.embedding.weight.toFixed(3),
    size(files[i]?.sizeBytes ?? 0),
  ]);
  return [
    renderTable(columns, [
      ...rows,
      ["fused", "", head === undefined ? "" : `${head.output} [N, ${head.dimension}]`, "", size(output.sizeBytes)],
    ]),
    ...notes.map((note) => `note: ${note}`),
    proof.kind === "off"
      ? "proof: switched off"
      : `proof: ${proof.kind} on ${proof.inputs} inputs (${proof.runtime}), largest difference ${proof.worst.relative.toExponential(1)} of the magnitude${proof.kind === "refuted" ? ` in ${proof.worst.output}, ${proof.tolerance} is allowed` : ""}`,
    proof.kind === "refuted"
      ? "nothing was written"
      : `written: ${[output.file, ...files.flatMap((f) => (f.card === undefined ? [] : [f.card]))].join(", ")}`,
  ];
}
