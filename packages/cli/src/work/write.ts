import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { printCard } from "@tessera/core/modality/read-card";
import type { Artefact, Candidate, CompatibilityMatrix } from "@tessera/core/protocol/report";
import { planToJson } from "@tessera/core/quant/plan-json";
import { fileInputs } from "../io/file-inputs.ts";
import { sha256, writeFile } from "../io/files.ts";
import { stemOf } from "../io/formats.ts";
import { cardFor } from "./card-terms.ts";
import type { Judged } from "./judge.ts";
import { sharesSpace } from "./matrix.ts";
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
  const baseline = at(candidates, 0);
  const space = request.card.embeddingSpace ?? baseline.sha256;
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
    const thresholds = at(judged, i).evaluated.accuracy.tarAtFar.flatMap((p) =>
      p.kind !== "figure"
        ? []
        : [
            {
              far: p.far,
              threshold: p.threshold,
              evidence: {
                tar: p.tar.value,
                interval: [p.tar.low, p.tar.high] as const,
                confidence: p.tar.confidence,
                genuine: at(judged, i).evaluated.scores.genuine.scores.length,
                impostor: at(judged, i).evaluated.scores.impostor.length,
                dataset: { name: request.evaluation.name, sha256: request.evaluation.digest },
              },
            },
          ],
    );
    const card = {
      // Names and types are those of the network; the layout is that of the very file.
      ...cardFor(request.modelCard, fileInputs(variant.format, variant.bytes)),
      name: stem,
      modelSha256: candidate.sha256,
      // Another space unless templates were shown to mix: a device that refuses a template is a nuisance, one that takes a wrong one is a hole.
      embeddingSpace: candidate.baseline || sharesSpace(matrix, baseline.id, candidate.id) ? space : candidate.sha256,
      thresholds,
    };
    write(`${stem}.card.json`, printCard(card), `model card of ${variant.says}, thresholds re-fitted`);
  }
  return artefacts;
}
