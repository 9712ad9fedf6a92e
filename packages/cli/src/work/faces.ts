import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { type Manifest, type PairList, parseAliases, parseManifest, parsePairList } from "@tessera/core/biometrics/dataset";
import type { Runtime } from "@tessera/core/graph/runtime";
import type { FaceDetectorCard, FaceEmbeddingCard } from "@tessera/core/modality/card";
import { acquireFaces } from "@tessera/core/modality/face/acquire";
import { CROP_INDEX_FILE, cropsFromCache, parseCropIndex, printCropIndex } from "@tessera/core/modality/face/crop-cache";
import { type AcquisitionFailure, cropsOf, type FaceCrops } from "@tessera/core/modality/face/crops";
import { cacheDir } from "../io/cache.ts";
import { readBytes, readText, sha256, writeFile } from "../io/files.ts";
import { readImage } from "../io/images.ts";
import type { Progress } from "../ui/progress.ts";

/** A folder with manifest.csv, and pairs.csv and aliases.csv where there are such. */
export interface FaceData {
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
  readonly pairs: PairList | undefined;
  readonly aliases: readonly (readonly [string, string])[];
  /** Aligned faces, a row for each row of the manifest. */
  readonly crops: FaceCrops;
  /** sha-256 over manifest, pair list and aligned pixels. */
  readonly digest: string;
}

/** How faces are got out of pictures. */
export interface FaceDataOptions {
  readonly runtime: Runtime;
  readonly card: FaceEmbeddingCard;
  /** Absent: the pictures are aligned crops already. */
  readonly detector: { readonly path: string; readonly card: FaceDetectorCard } | undefined;
  readonly onNoFace: "reject" | "centre-crop";
  readonly choice: "largest" | "central" | "best";
  readonly useCache: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Reads a data folder and aligns its faces; aligned faces are cached under a digest of everything that they depend on. @throws DATASET_INVALID, IO */
export async function loadFaceData(folder: string, options: FaceDataOptions): Promise<FaceData> {
  const manifestPath = join(folder, "manifest.csv");
  const manifestText = readText(manifestPath);
  const manifest = parseManifest(manifestText, { file: manifestPath });
  if (manifest.subjects === undefined)
    throw fail("DATASET_INVALID", `Cannot use ${manifestPath}: it has no column "subject"`, { at: { file: manifestPath } });
  const optional = (name: string): string | undefined =>
    existsSync(join(folder, name)) ? readText(join(folder, name)) : undefined;
  const pairsName = existsSync(join(folder, "pairs.csv")) ? "pairs.csv" : "trials.csv";
  const pairsText = optional(pairsName);
  const aliasesText = optional("aliases.csv");
  const crops = await alignedFaces(folder, manifest, manifestText, options);
  return {
    name: folder.split(/[\\/]/).filter(Boolean).at(-1) ?? folder,
    folder,
    manifest,
    pairs: pairsText === undefined ? undefined : parsePairList(pairsText, { file: pairsName }),
    aliases: aliasesText === undefined ? [] : parseAliases(aliasesText, { file: "aliases.csv" }),
    crops,
    digest: sha256(`${sha256(manifestText)}${sha256(pairsText ?? "")}${sha256(aliasesText ?? "")}${sha256(crops.data)}`),
  };
}

async function alignedFaces(
  folder: string,
  manifest: Manifest,
  manifestText: string,
  options: FaceDataOptions,
): Promise<FaceCrops> {
  const { detector, card } = options;
  const settings = {
    manifest: manifestText,
    folder,
    detector: detector === undefined ? "aligned" : { sha256: sha256(readBytes(detector.path)), card: detector.card },
    placement: card.input.placement,
    size: [card.input.width, card.input.height],
    onNoFace: options.onNoFace,
    choice: options.choice,
    version: 1,
  };
  const digest = sha256(JSON.stringify(settings));
  const cache = cacheDir("crops", digest.slice(0, 24));
  if (options.useCache && existsSync(join(cache, CROP_INDEX_FILE))) {
    const index = parseCropIndex(readBytes(join(cache, CROP_INDEX_FILE)));
    if (index.digest === digest) {
      const crops = cropsFromCache(index, readFileSync(join(cache, index.file)));
      const failures = JSON.parse(readText(join(cache, "failures.json"))) as readonly AcquisitionFailure[];
      const acquired = crops.acquired.slice();
      for (const failure of failures) if (failure.used === "nothing") acquired[failure.index] = 0;
      options.progress.note(`aligned faces of ${crops.count} pictures taken from the cache`);
      return { ...crops, acquired, failures };
    }
  }
  const crops =
    detector === undefined
      ? await readCrops(folder, manifest, options)
      : await detectAndAlign(folder, manifest, detector, options);
  if (options.useCache) {
    writeFile(join(cache, "crops.u8"), crops.data);
    writeFile(join(cache, "failures.json"), JSON.stringify(crops.failures));
    const shape = [crops.height, crops.width, 3] as const;
    const roles = manifest.columns.get("role") ?? [];
    // Last: a cache without an index is no cache, so an interrupted run leaves none.
    writeFile(
      join(cache, CROP_INDEX_FILE),
      printCropIndex({
        count: crops.count,
        shape,
        dtype: "uint8",
        file: "crops.u8",
        digest,
        paths: manifest.paths,
        subjects: manifest.subjects ?? [],
        roles,
      }),
    );
  }
  return crops;
}

async function readCrops(folder: string, manifest: Manifest, options: FaceDataOptions): Promise<FaceCrops> {
  options.progress.stage("reading aligned faces", manifest.paths.length);
  const images = [];
  for (const [i, path] of manifest.paths.entries()) {
    options.signal.throwIfAborted();
    images.push(await readImage(join(folder, path)));
    options.progress.at(i + 1);
  }
  return cropsOf(images, manifest.paths);
}

async function detectAndAlign(
  folder: string,
  manifest: Manifest,
  detector: { readonly path: string; readonly card: FaceDetectorCard },
  options: FaceDataOptions,
): Promise<FaceCrops> {
  options.progress.stage("finding and aligning faces", manifest.paths.length);
  const session = await options.runtime.load(readBytes(detector.path), { threads: 2 });
  try {
    const sources = manifest.paths.map((name) => ({ name, load: () => readImage(join(folder, name)) }));
    return await acquireFaces({ detector: { session, card: detector.card }, card: options.card }, sources, {
      choice: options.choice,
      onNoFace: options.onNoFace,
      onProgress: (done) => options.progress.at(done),
      signal: options.signal,
    });
  } finally {
    await session.close();
  }
}
