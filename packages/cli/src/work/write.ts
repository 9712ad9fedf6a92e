import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { roundedSpaceId } from "@tessera/core/modality/embedding-space";
import { printCard } from "@tessera/core/modality/read-card";
import type { Artefact, Candidate, CompatibilityMatrix } from "@tessera/core/protocol/report";
import { planToJson } from "@tessera/core/quant/plan-json";
import { fileInputs } from "../io/file-inputs.ts";
import { sha256, writeFile } from "../io/files.ts";
import { stemOf } from "../io/formats.ts";
import { cardCompatibility, classSpaces } from "./card-compatibility.ts";
import { cardFor } from "./card-terms.ts";
import { thresholdsOf } from "./card-thresholds.ts";
import type { Judged } from "./judge.ts";
import type { OptimizeJob } from "./request.ts";
import type { Variant } from "./variants.ts";

/** Writes each variant with its plan and its card, whose thresholds were fitted to it. */
export function writeArtefacts(
  {
    variants,
    candidates,
    picked,
    judged,
    matrix,
  }: {
    variants: readonly Variant[];
    candidates: readonly Candidate[];
    picked: Candidate | undefined;
    judged: readonly Judged[];
    matrix: CompatibilityMatrix;
  },
  request: OptimizeJob,
): readonly Artefact[] {
  const artefacts: Artefact[] = [];
  const dataset = { name: request.evaluation.name, sha256: request.evaluation.digest };
  const spaces = candidateSpaces(candidates, matrix, request);
  // Templates in the field may carry the name that the card gave to the space so far.
  const given = request.card.embeddingSpace;
  const galleries = candidates.map(({ id, sha256: digest }, i) => {
    const space = at(spaces, i);
    const known = given !== undefined && given !== space && space === request.space ? [given] : [];
    return { name: id, sha256: digest, spaces: [space, ...known] };
  });
  const write = (name: string, content: Uint8Array | string, says: string): void => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    writeFile(join(request.outDir, name), bytes);
    artefacts.push({ file: name, says, sizeBytes: bytes.length, sha256: sha256(bytes) });
  };
  for (const [i, variant] of variants.entries()) {
    const candidate = at(candidates, i);
    const stem = stemOf(candidate.file);
    write(candidate.file, variant.bytes, candidate.id === picked?.id ? `${variant.says} (the pick)` : variant.says);
    if (variant.plan !== undefined) write(`${stem}.plan.json`, planToJson(variant.plan), `quantization plan of ${variant.says}`);
    const card = {
      // Names and types are those of the network; the layout is that of the very file.
      ...cardFor(request.modelCard, fileInputs(variant.format, variant.bytes)),
      name: stem,
      modelSha256: candidate.sha256,
      embeddingSpace: at(spaces, i),
      thresholds: thresholdsOf(at(judged, i), dataset),
      compatibility: cardCompatibility(candidate.id, { matrix, galleries, dataset }),
    };
    write(`${stem}.card.json`, printCard(card), `model card of ${variant.says}, thresholds re-fitted`);
  }
  return artefacts;
}

/** The float network's id for whatever mixes with the baseline; for the others one of their own, made of it and their bytes. */
function candidateSpaces(
  candidates: readonly Candidate[],
  matrix: CompatibilityMatrix,
  { space }: OptimizeJob,
): readonly string[] {
  const named = candidates.map(({ id, baseline, sha256: digest }) => ({
    name: id,
    space: baseline ? space : roundedSpaceId(space, digest),
  }));
  return classSpaces(named, matrix);
}
