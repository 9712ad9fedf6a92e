import { basename, join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { writeAdapter } from "@tessera/core/biometrics/adapter-file";
import { subjectOverlap } from "@tessera/core/biometrics/dataset";
import type { Embeddings } from "@tessera/core/biometrics/similarity";
import type { ModelCard } from "@tessera/core/modality/card";
import { printCard } from "@tessera/core/modality/read-card";
import type { Artefact, CompatibilityMatrix } from "@tessera/core/protocol/report";
import { sha256, writeFile } from "../io/files.ts";
import { stemOf, uniqueStems } from "../io/formats.ts";
import { calibrationRows, type EvaluationSet } from "./accuracy.ts";
import { cardCompatibility, classSpaces } from "./card-compatibility.ts";
import { thresholdsOf } from "./card-thresholds.ts";
import { type Evaluatee, type EvaluateReport, type EvaluateRequest, embedRows, type MatrixRequest } from "./evaluatee.ts";
import type { Judged } from "./judge.ts";
import { compatibilityOf, type FittedAdapter } from "./matrix.ts";

/** Every model enrolled against every model probing, and what was fitted on the way. */
export interface Mixed {
  readonly matrix: CompatibilityMatrix;
  readonly adapters: readonly FittedAdapter[];
  readonly outDir: string | undefined;
}

interface Models {
  readonly models: readonly Evaluatee[];
  readonly names: readonly string[];
  readonly judged: readonly Judged[];
  readonly set: EvaluationSet;
}

/** Whether templates of one model serve another; adapters are fitted to the faces of people who are not evaluated. */
export async function mixModels(
  { models, names, judged, set }: Models,
  { adapters, maxDrop, outDir }: MatrixRequest,
  request: EvaluateRequest,
): Promise<Mixed> {
  const { progress, replicates, seed, fars } = request;
  const rows = adapters === "never" ? [] : otherPeople(models, set);
  const fits: (Embeddings | undefined)[] = [];
  for (const [i, model] of models.entries()) {
    const { calibration } = model;
    if (calibration === undefined || rows.length === 0) continue;
    progress.stage(`embedding faces of other people with ${names[i]}, to fit adapters to`, rows.length);
    fits[i] = (await embedRows(model, calibration, rows, request)).unit;
  }
  const mixed = models.map((_, i) => {
    const fit = fits[i];
    return { name: at(names, i), embeddings: at(judged, i).unit, ...(fit === undefined ? {} : { fit }) };
  });
  progress.stage(`enrolling with each of ${models.length} models, probing with each`);
  const previous = models.findIndex(({ role }) => role === "previous");
  const found = compatibilityOf(mixed, set, {
    far: at(fars, 0),
    fars,
    replicates,
    seed,
    maxDrop,
    adapters: adapters === "always" ? "always" : "needed",
    ...(previous < 0 ? {} : { previous: { gallery: at(names, previous), probe: at(names, 0) } }),
  });
  return { ...found, outDir };
}

/** Rows of the calibration data with a sample for every model, of people who are not evaluated. */
export function otherPeople(models: readonly Evaluatee[], set: EvaluationSet): readonly number[] {
  const [first, ...others] = models.flatMap(({ calibration }) => (calibration === undefined ? [] : [calibration]));
  if (first === undefined || others.length + 1 < models.length) return [];
  const rows = calibrationRows(first).filter((row) => others.every((data) => data.samples.acquired[row] === 1));
  const subjects = first.manifest.subjects ?? [];
  const evaluated = { ...first.manifest, subjects: set.people };
  const known = new Set(subjectOverlap(first.manifest, evaluated, { aliases: first.aliases }));
  return rows.filter((row) => !known.has(at(subjects, row)));
}

/** Writes each adapter and, for each candidate, the card with its space id, its thresholds and what other models' templates are worth to it. */
export function writeMixed(
  { matrix, adapters, outDir }: Mixed,
  facts: {
    readonly models: readonly Evaluatee[];
    readonly rows: EvaluateReport["models"];
    readonly judged: readonly Judged[];
    readonly set: EvaluationSet;
  },
): readonly Artefact[] {
  const { models, rows, judged } = facts;
  if (outDir === undefined) return [];
  const artefacts: Artefact[] = [];
  const write = (
    file: string,
    content: Uint8Array | string,
    says: string,
  ): { readonly file: string; readonly sha256: string } => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    writeFile(join(outDir, file), bytes);
    artefacts.push({ file, says, sizeBytes: bytes.length, sha256: sha256(bytes) });
    return { file, sha256: sha256(bytes) };
  };
  const { calibration, data } = at(models, 0);
  const spaces = classSpaces(rows, matrix);
  const spaceOf = (name: string): string =>
    at(
      spaces,
      rows.findIndex((row) => row.name === name),
    );
  const stems = uniqueStems(rows.map(({ file, role }) => `${stemOf(basename(file))}${role === "previous" ? ".previous" : ""}`));
  const stemOfName = (name: string): string =>
    at(
      stems,
      rows.findIndex((row) => row.name === name),
    );
  const files = new Map(
    adapters.map(({ gallery, probe, adapter, samples }) => {
      const bytes = writeAdapter({
        adapter,
        samples,
        fromSpace: spaceOf(gallery),
        toSpace: spaceOf(probe),
        dataSha256: (calibration ?? data).digest,
      });
      const name = `${stemOfName(gallery)}-to-${stemOfName(probe)}.adapter`;
      return [JSON.stringify([gallery, probe]), write(name, bytes, `maps templates of ${gallery} into the space of ${probe}`)];
    }),
  );
  const dataset = { name: data.name, sha256: data.digest };
  const galleries = rows.map(({ name, sha256: digest, declaredSpace }, i) => ({
    name,
    sha256: digest,
    spaces: [...new Set([at(spaces, i), ...(declaredSpace === undefined ? [] : [declaredSpace])])],
  }));
  for (const [i, { card, role }] of models.entries()) {
    if (role !== "candidate") continue;
    const row = at(rows, i);
    const adapter = (gallery: string, probe: string) => files.get(JSON.stringify([gallery, probe]));
    const written: ModelCard = {
      ...card,
      modelSha256: row.sha256,
      embeddingSpace: at(spaces, i),
      thresholds: thresholdsOf(at(judged, i), dataset),
      compatibility: cardCompatibility(row.name, { matrix, galleries, dataset, adapter }),
    };
    write(
      `${at(stems, i)}.card.json`,
      printCard(written),
      `card of ${row.file}: thresholds, and what other models' templates are worth`,
    );
  }
  return artefacts;
}
