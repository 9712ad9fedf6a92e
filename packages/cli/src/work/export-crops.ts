import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import type { Manifest } from "@tessera/core/biometrics/dataset";
import type { FaceEmbeddingCard } from "@tessera/core/modality/card";
import { CROP_INDEX_FILE, cropTensors, printCropIndex } from "@tessera/core/modality/face/crop-cache";
import { type FaceCrops, selectCrops } from "@tessera/core/modality/face/crops";
import { channelsOf } from "@tessera/core/signal/pixels";
import { writeFile } from "../io/files.ts";
import type { PeopleData } from "./people-data.ts";
import { type EmbeddingCard, isFaceCard } from "./samples.ts";

/** Faces turned into tensors at a time: 38 MB at 112 x 112. */
const BLOCK = 256;

/**
 * Writes aligned and pre-processed faces as raw float32 tensors with their list (`crops.f32`, `index.json`), for other tools to work on exactly the
 * same inputs. Faces that were not acquired are left out.
 *
 * @throws USAGE for data without faces
 */
export function exportCrops(folder: string, data: PeopleData, card: EmbeddingCard): { readonly count: number } {
  const { samples, manifest, name } = data;
  if (samples.kind !== "crops" || !isFaceCard(card)) throw fail("USAGE", `Cannot write aligned faces: ${name} has voices`);
  return exportFaces(folder, { crops: samples, manifest }, card);
}

function exportFaces(
  folder: string,
  { crops, manifest }: { readonly crops: FaceCrops; readonly manifest: Manifest },
  card: FaceEmbeddingCard,
): { readonly count: number } {
  const rows = Array.from(manifest.paths.keys()).filter((row) => crops.acquired[row] === 1);
  function* blocks(): Generator<Uint8Array> {
    for (let from = 0; from < rows.length; from += BLOCK) {
      const tensors = cropTensors(selectCrops(crops, rows.slice(from, from + BLOCK)), card.input).data;
      yield new Uint8Array(tensors.buffer, tensors.byteOffset, tensors.byteLength);
    }
  }
  writeFile(join(folder, "crops.f32"), blocks());
  const { layout, width, height } = card.input;
  const channels = channelsOf(card.input);
  const roles = manifest.columns.get("role");
  writeFile(
    join(folder, CROP_INDEX_FILE),
    printCropIndex({
      count: rows.length,
      shape: layout === "NCHW" ? [channels, height, width] : [height, width, channels],
      dtype: "float32",
      file: "crops.f32",
      paths: rows.map((row) => at(manifest.paths, row)),
      subjects: manifest.subjects === undefined ? [] : rows.map((row) => at(manifest.subjects ?? [], row)),
      roles: roles === undefined ? [] : rows.map((row) => at(roles, row)),
    }),
  );
  return { count: rows.length };
}
