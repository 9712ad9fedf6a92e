import { existsSync } from "node:fs";
import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import type { Manifest } from "@tessera/core/biometrics/dataset";
import type { FaceDetectorCard, FaceEmbeddingCard } from "@tessera/core/modality/card";
import { acquireFaces } from "@tessera/core/modality/face/acquire";
import { CROP_INDEX_FILE, cropsFromCache, parseCropIndex, printCropIndex } from "@tessera/core/modality/face/crop-cache";
import { type AcquisitionFailure, cropsOf, type FaceCrops } from "@tessera/core/modality/face/crops";
import { readImage } from "@tessera/media/images";
import { cacheDir } from "../io/cache.ts";
import { readBytes, sha256, writeFile } from "../io/files.ts";
import { openRunnable, readRunnable } from "../io/runnable.ts";
import type { Progress } from "../ui/progress.ts";
import { cardSession } from "./card-terms.ts";
import { type PeopleData, readPeople } from "./people-data.ts";
import type { Runtimes } from "./runtime.ts";

/** How faces are got out of pictures. */
export interface FaceDataOptions {
  readonly runtimes: Runtimes;
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
export async function loadFaceData(
  folder: string,
  options: FaceDataOptions,
): Promise<PeopleData & { readonly samples: FaceCrops }> {
  return readPeople(folder, async (manifest, manifestText) => {
    if (manifest.paths.length > 0 && manifest.paths.every((path) => /\.wav$/i.test(path)))
      throw fail(
        "DATASET_INVALID",
        `Cannot use ${folder}: its recordings are sounds, and "${options.card.name}" looks at faces`,
        {
          at: { file: join(folder, "manifest.csv") },
          hint: "Give pictures with --data, or the model of voices that belongs to these",
        },
      );
    const samples = await alignedFaces(folder, manifest, manifestText, options);
    return { samples, digest: sha256(samples.data) };
  });
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
    // Raised when the cache's files or the alignment change.
    version: 2,
  };
  const digest = sha256(JSON.stringify(settings));
  const cache = cacheDir("crops", digest.slice(0, 24));
  if (options.useCache && existsSync(join(cache, CROP_INDEX_FILE))) {
    const index = parseCropIndex(readBytes(join(cache, CROP_INDEX_FILE)));
    if (index.digest === digest) {
      const crops = cropsFromCache(index, readBytes(join(cache, index.file)));
      options.progress.note(`aligned faces of ${crops.count} pictures taken from the cache`);
      return crops;
    }
  }
  const crops =
    detector === undefined
      ? await readCrops(folder, manifest, options)
      : await detectAndAlign(folder, manifest, detector, options);
  if (options.useCache) {
    writeFile(join(cache, "crops.u8"), crops.data);
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
        failures: crops.failures,
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

/** Detectors that work side by side. */
const WORKERS = 2;

async function detectAndAlign(
  folder: string,
  manifest: Manifest,
  detector: { readonly path: string; readonly card: FaceDetectorCard },
  options: FaceDataOptions,
): Promise<FaceCrops> {
  const count = manifest.paths.length;
  options.progress.stage("finding and aligning faces", count);
  // The detector's card speaks of the file itself, not of the model in it.
  const file = readRunnable(detector.path, { inOwnTerms: true });
  const runtime = await options.runtimes.fitting(file);
  const parts = Array.from({ length: WORKERS }, (_, w) =>
    Array.from({ length: count }, (_, i) => i).filter((i) => i % WORKERS === w),
  );
  const done = parts.map(() => 0);
  const found = await Promise.all(
    parts.map(async (rows, w) => {
      const session = await openRunnable(runtime, file, { threads: 1 });
      try {
        const sources = rows.map((row) => {
          const name = at(manifest.paths, row);
          return { name, load: () => readImage(join(folder, name)) };
        });
        return await acquireFaces(
          { detector: { session: cardSession(session, detector.card), card: detector.card }, card: options.card },
          sources,
          {
            choice: options.choice,
            onNoFace: options.onNoFace,
            onProgress: (finished) => {
              done[w] = finished;
              options.progress.at(done.reduce((a, b) => a + b, 0));
            },
            signal: options.signal,
          },
        );
      } finally {
        await session.close();
      }
    }),
  );
  return dealtBack(found, parts, manifest.paths);
}

/** The crops of several workers in the order of the manifest: what came out does not depend on who did it. */
function dealtBack(found: readonly FaceCrops[], parts: readonly (readonly number[])[], names: readonly string[]): FaceCrops {
  const { width, height } = at(found, 0);
  const size = width * height * 3;
  const data = new Uint8Array(names.length * size);
  const acquired = new Uint8Array(names.length);
  const failures: AcquisitionFailure[] = [];
  parts.forEach((rows, w) => {
    const part = at(found, w);
    rows.forEach((row, i) => {
      data.set(part.data.subarray(i * size, (i + 1) * size), row * size);
      acquired[row] = part.acquired[i] ?? 0;
    });
    failures.push(...part.failures.map((failure) => ({ ...failure, index: at(rows, failure.index) })));
  });
  failures.sort((a, b) => a.index - b.index);
  return { kind: "crops", width, height, count: names.length, data, names, acquired, failures };
}
