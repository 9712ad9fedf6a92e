/**
 * LFW, from photographs to figures: YuNet finds and aligns, MobileFaceNet embeds, every comparison is scored. Run from the root:
 *
 *   npx tsx --conditions=source bench/face-lfw.ts --shared ../shared [--placement pad|fit] [--no-vote] [--cache DIR] [--contract]
 *
 * Tables go to stderr, one JSON object to stdout. With --cache the aligned faces are kept (crops.u8) and found again; --contract also tries
 * the usual pre-processing mistakes.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { bootstrapPoints } from "@tessera/core/biometrics/bootstrap";
import { compareAll, rankScores } from "@tessera/core/biometrics/compare";
import { parseAliases, parseManifest, parsePairList, resolveAliases, resolvePairs } from "@tessera/core/biometrics/dataset";
import { allPairs, countComparisons, numberSubjects } from "@tessera/core/biometrics/design";
import { equalErrorRate } from "@tessera/core/biometrics/eer";
import { lfwAccuracy } from "@tessera/core/biometrics/lfw";
import { separation } from "@tessera/core/biometrics/separation";
import { normaliseRows, scorePairs, stackEmbeddings } from "@tessera/core/biometrics/similarity";
import { type FaceDetectorCard, faceDetectorCard, faceEmbeddingCard } from "@tessera/core/modality/card";
import { acquireFaces } from "@tessera/core/modality/face/acquire";
import { SUPPRESS_DEFAULTS } from "@tessera/core/modality/face/boxes";
import { testContract } from "@tessera/core/modality/face/contract-test";
import { CROP_INDEX_FILE, cropsFromCache, parseCropIndex, printCropIndex } from "@tessera/core/modality/face/crop-cache";
import type { FaceCrops } from "@tessera/core/modality/face/crops";
import { embedCrops, type FaceEmbedder } from "@tessera/core/modality/face/embed";
import { readImage } from "@tessera/media/images";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardOf } from "@tessera/testkit/cards";

const FARS = [1e-2, 1e-3, 1e-4, 1e-5];

const { values: flags } = parseArgs({
  options: {
    shared: { type: "string", default: "../shared" },
    placement: { type: "string", default: "pad" },
    "no-vote": { type: "boolean", default: false },
    cache: { type: "string" },
    contract: { type: "boolean", default: false },
    model: { type: "string" },
  },
});

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function timed<T>(work: () => T | Promise<T>): Promise<readonly [result: T, seconds: number]> {
  const start = performance.now();
  const result = await work();
  return [result, (performance.now() - start) / 1000];
}

function detectorCard(): FaceDetectorCard {
  const card = faceDetectorCard(cardOf("yunet-n-320"));
  const kind = flags.placement;
  if (kind !== "pad" && kind !== "fit" && kind !== "stretch")
    throw fail("USAGE", `Cannot place pictures by "${kind}": pad, fit or stretch`);
  return { ...card, input: { ...card.input, placement: { kind } } };
}

const lfw = join(flags.shared, "data/lfw");
const text = (name: string): string => readFileSync(join(lfw, name), "utf8");
const manifest = parseManifest(text("manifest.csv"), { file: "manifest.csv" });
const runtime = await ortNodeRuntime({ worker: false });
const card = faceEmbeddingCard(cardOf("mobilefacenet-foamliu-128"));
const model = flags.model ?? join(flags.shared, "models/face-embedding/mobilefacenet-foamliu-128.onnx");
const embedder: FaceEmbedder = { session: await runtime.load(readFileSync(model)), card };

/** Whatever changes the crops changes the digest, and a stale cache is not used. */
function digest(): string {
  const settings = {
    manifest: text("manifest.csv"),
    detector: detectorCard(),
    placement: card.input.placement,
    vote: !flags["no-vote"],
  };
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex");
}

async function align(): Promise<FaceCrops> {
  const wanted = digest();
  const indexPath = flags.cache === undefined ? undefined : join(flags.cache, CROP_INDEX_FILE);
  if (flags.cache !== undefined && indexPath !== undefined && existsSync(indexPath)) {
    const index = parseCropIndex(readFileSync(indexPath));
    if (index.digest === wanted) return cropsFromCache(index, readFileSync(join(flags.cache, index.file)));
  }
  const bytes = readFileSync(join(flags.shared, "models/face-detection/yunet-n-320.onnx"));
  const detector = { session: await runtime.load(bytes), card: detectorCard() };
  const sources = manifest.paths.map((name) => ({ name, load: () => readImage(join(lfw, name)) }));
  const crops = await acquireFaces({ detector, card }, sources, {
    choice: "central",
    onNoFace: "centre-crop",
    voteOverlap: flags["no-vote"] ? 2 : SUPPRESS_DEFAULTS.voteOverlap,
    onProgress: (done) => done % 500 === 0 && say(`  ${done} of ${sources.length} pictures`),
  });
  for (const failure of crops.failures) say(`  ${failure.name}: ${failure.message} (${failure.used})`);
  if (flags.cache !== undefined && indexPath !== undefined) {
    mkdirSync(flags.cache, { recursive: true });
    writeFileSync(join(flags.cache, "crops.u8"), crops.data);
    const { height, width, count, failures } = crops;
    const index = { count, shape: [height, width, 3], dtype: "uint8", file: "crops.u8", digest: wanted, failures } as const;
    writeFileSync(
      indexPath,
      printCropIndex({
        ...index,
        paths: manifest.paths,
        subjects: manifest.subjects ?? [],
        roles: manifest.columns.get("role") ?? [],
      }),
    );
  }
  return crops;
}

const [crops, alignSeconds] = await timed(align);
say(`aligned ${crops.count} pictures in ${alignSeconds.toFixed(1)} s, ${crops.failures.length} failures to acquire`);
const [raw, embedSeconds] = await timed(() => embedCrops(embedder, crops));
say(`embedded in ${embedSeconds.toFixed(1)} s`);

const set = normaliseRows(raw);
const named = manifest.subjects ?? [];
const roles = manifest.columns.get("role") ?? [];
const rows = named.flatMap((_, row) => (roles[row] === "eval" ? [row] : []));
const gallery = stackEmbeddings(rows.map((row) => set.data.subarray(row * set.dim, (row + 1) * set.dim)));
const { subjects, people } = numberSubjects(rows.map((row) => at(named, row)));

const pairs = resolvePairs(parsePairList(text("pairs.csv"), { file: "pairs.csv" }), manifest);
if (pairs.folds === undefined) throw fail("DATASET_INVALID", "Cannot use pairs.csv: it has no folds");
const accuracy = lfwAccuracy(scorePairs(set, pairs), { genuine: pairs.genuine, folds: pairs.folds });

const design = allPairs(subjects, {
  aliases: resolveAliases(parseAliases(text("aliases.csv"), { file: "aliases.csv" }), people),
});
const [scores, scoreSeconds] = await timed(() => compareAll(gallery, design));
const [ranked, sortSeconds] = await timed(() => rankScores(scores));
const [points, bootstrapSeconds] = await timed(() => bootstrapPoints(scores, FARS, { ranked }));
const apart = separation(ranked);
const eer = equalErrorRate(ranked);

const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
say(`\nLFW accuracy  ${percent(accuracy.mean)} +- ${percent(accuracy.standardError)} over ${accuracy.folds.length} folds`);
const counts = countComparisons(design);
say(
  `all pairs     ${counts.genuine} genuine, ${counts.impostor} impostor, ${counts.leftOut} left out (aliases); scored in ${scoreSeconds.toFixed(2)} s`,
);
say("FAR       TAR       95 % interval        threshold");
for (const [i, far] of FARS.entries()) {
  const point = at(points, i);
  if (point.kind === "insufficient-data") {
    say(`${far.toExponential(0)}     ${point.says}`);
    continue;
  }
  const { tarRefitted: interval } = point;
  say(
    `${far.toExponential(0)}     ${percent(point.point.tar)}   ${percent(interval.low)} .. ${percent(interval.high)}   ${point.point.threshold.toFixed(4)}`,
  );
}
say(`EER ${percent(eer.raw.rate)} (hull ${percent(eer.convexHull.rate)}), d' ${apart.dPrime.toFixed(3)}`);

const contract = flags.contract
  ? await testContract(
      embedder,
      { crops, subjects: named },
      { onProgress: (done, all) => say(`  contract: variant ${done} of ${all}`) },
    )
  : undefined;
if (contract) {
  say(`\n${contract.verdict}: ${contract.says}`);
  const line = (v: { name: string; dPrime: number; eer: number; tar: number }, verdict: string): void =>
    say(
      `${v.name.padEnd(32)} d' ${v.dPrime.toFixed(3)}  EER ${percent(v.eer)}  TAR ${percent(v.tar)} at ${contract.far}  ${verdict}`,
    );
  line(contract.declared, "declared");
  for (const variant of contract.variants) line(variant, variant.verdict);
}

const report = {
  kind: "face-lfw",
  placement: flags.placement,
  vote: !flags["no-vote"],
  pictures: crops.count,
  failuresToAcquire: crops.failures.length,
  seconds: {
    align: alignSeconds,
    embed: embedSeconds,
    scoreAllPairs: scoreSeconds,
    sort: sortSeconds,
    bootstrap: bootstrapSeconds,
  },
  accuracy,
  comparisons: counts,
  points,
  eer,
  separation: apart,
  ...(contract && { contract }),
};
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
await embedder.session.close();
