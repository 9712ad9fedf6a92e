/**
 * The networks of a gateway, twice: `fp32`, the files as their authors published them, and `int8`, what Tessera makes of them for ONNX Runtime on x64:
 * the embedders in integers, as far as the runtime has integers for them, the others simplified, because in float they are faster: YuNet's depthwise
 * convolutions of few channels (2.9 ms, 4.3 in integers), MiniFASNet's PReLU, Silero's small recurrent steps. Each with a card whose thresholds were measured, for faces on the people of LFW folds 1 and 2, for
 * voices on the LibriSpeech cohort; folds 3 to 5 and the other speakers are left to report on. Run from the root:
 *
 *   npx tsx --conditions=source bench/gateway-models.ts --out FOLDER [--ge2e FOLDER]
 *
 * `--ge2e`: where bench/peers/ge2e_export.py wrote its model (~/.cache/tessera-ge2e unless given).
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { ModelCard } from "@tessera/core/modality/card";
import { parseCard, printCard } from "@tessera/core/modality/read-card";
import { cardOf, cardPath } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";
import { tessera } from "./lib/tessera.ts";

const { values: flags } = parseArgs({
  options: { out: { type: "string" }, ge2e: { type: "string", default: join(homedir(), ".cache/tessera-ge2e") } },
});
const shared = sharedDir();
if (shared === undefined || flags.out === undefined) throw new Error("needs the shared folder, and --out FOLDER");
const out = flags.out;
const lfw = join(shared, "data/lfw");
const voices = join(shared, "data/voice-librispeech");

/** Networks that are taken from the shared folder: file and card. */
const SHARED = {
  detector: ["face-detection/yunet-n-320.onnx", "yunet-n-320"],
  liveness: ["face-liveness/minifasnet-v2-2.7-80.onnx", "minifasnet-v2-2.7-80"],
  face: ["face-embedding/mobilefacenet-foamliu-128.onnx", "mobilefacenet-foamliu-128"],
  vad: ["voice/silero-vad-16k-op15.onnx", "silero-vad-16k"],
} as const;

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const folders = { fp32: join(out, "fp32"), int8: join(out, "int8"), work: join(out, "work") };
for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });

function writeCard(kind: "fp32" | "int8", name: string, card: ModelCard): void {
  const bytes = readFileSync(join(folders[kind], `${name}.onnx`));
  const modelSha256 = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(join(folders[kind], `${name}.card.json`), printCard({ ...card, modelSha256 }));
}

/** A data folder of some rows of another's manifest, with its pictures or sounds. */
function subset(
  name: string,
  from: string,
  options: { readonly links: readonly string[]; readonly keep: (row: string) => boolean },
): string {
  const folder = join(folders.work, name);
  mkdirSync(folder, { recursive: true });
  const [header = "", ...rows] = readFileSync(join(from, "manifest.csv"), "utf8").trim().split("\n");
  writeFileSync(
    join(folder, "manifest.csv"),
    `${[header, ...rows.filter(options.keep).map((row) => row.replace(/,cohort$/, ",eval"))].join("\n")}\n`,
  );
  for (const link of options.links) if (!existsSync(join(folder, link))) symlinkSync(join(from, link), join(folder, link));
  return folder;
}

for (const [name, [file, card]] of Object.entries(SHARED)) {
  copyFileSync(join(shared, "models", file), join(folders.fp32, `${name}.onnx`));
  writeCard("fp32", name, cardOf(card));
}
copyFileSync(join(flags.ge2e, "ge2e-256.onnx"), join(folders.fp32, "voice.onnx"));
writeCard("fp32", "voice", parseCard(readFileSync(join(flags.ge2e, "ge2e-256.card.json"))));

say("simplifying detector, liveness and activity");
for (const name of ["detector", "liveness", "vad"] as const) {
  tessera(
    "simplify",
    join(folders.fp32, `${name}.onnx`),
    "-o",
    join(folders.int8, `${name}.onnx`),
    "--target",
    "ort-x64",
    "--quiet",
  );
  writeCard("int8", name, { ...cardOf(SHARED[name][1]), name: `${SHARED[name][1]}.simple` });
}

const yunet = join(folders.fp32, "detector.onnx");
const faces = ["--detector", yunet, "--choice", "central"] as const;

say("quantizing the face embedder");
tessera(
  "quantize",
  join(folders.fp32, "face.onnx"),
  "-o",
  join(folders.int8, "face.onnx"),
  "--target",
  "ort-x64",
  "--calib",
  lfw,
  ...faces,
  "--quiet",
);
writeCard("int8", "face", { ...cardOf("mobilefacenet-foamliu-128"), name: "mobilefacenet-foamliu-128.int8" });

say("quantizing the voice embedder");
tessera(
  "quantize",
  join(folders.fp32, "voice.onnx"),
  "-o",
  join(folders.int8, "voice.onnx"),
  "--target",
  "ort-x64",
  "--calib",
  voices,
  "--quiet",
);
const ge2e = parseCard(readFileSync(join(folders.fp32, "voice.card.json")));
writeCard("int8", "voice", { ...ge2e, name: `${ge2e.name}.int8` });

/** Thresholds, and whether templates of the two mix, on people who are not reported on: into both cards. */
function measure(name: "face" | "voice", data: string, ...options: readonly string[]): void {
  say(`measuring thresholds of ${name}`);
  const cards = join(folders.work, `${name}-cards`);
  const models = (["fp32", "int8"] as const).map((kind) => join(folders[kind], `${name}.onnx`));
  try {
    tessera("evaluate", ...models, "--data", data, "--matrix", "--adapters", "never", "--out", cards, "--quiet", ...options);
  } catch (error) {
    // Exit code 1 also says that something about the model is remarkable, such as a mean cosine of strangers of .54; the cards are there then.
    if (!existsSync(join(cards, `${name}-2.card.json`))) throw error;
  }
  for (const [kind, stem] of [
    ["fp32", name],
    ["int8", `${name}-2`],
  ] as const)
    copyFileSync(join(cards, `${stem}.card.json`), join(folders[kind], `${name}.card.json`));
}

const people = new Set(
  readFileSync(join(lfw, "pairs.csv"), "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","))
    .filter(([fold]) => fold === "1" || fold === "2")
    .flatMap(([, a = "", b = ""]) => [a, b]),
);
const faceData = subset("lfw-folds-1-2", lfw, {
  links: ["images"],
  keep: (row) => row.endsWith(",calib") || people.has(row.split(",")[0] ?? ""),
});
measure("face", faceData, ...faces, "--far", "1e-3,1e-4");
const voiceData = subset("librispeech-cohort", voices, { links: ["wav"], keep: (row) => row.endsWith(",cohort") });
measure("voice", voiceData, "--far", "1e-2,1e-3");
say(`written: ${folders.fp32} and ${folders.int8}; cards from ${cardPath("yunet-n-320").replace(/[^/]*$/, "")}`);
