import type { ModelCard } from "@tessera/core/modality/card";
import { faceEmbeddingCard, voiceEmbeddingCard } from "@tessera/core/modality/card";
import type { FusedModel, FusedPart } from "@tessera/core/passes/fuse-models";
import { cardFor } from "./card-terms.ts";

/**
 * The card of a part as one of the fused file: its tensors under their names there, the fused file's digest. Space, thresholds and compatibility stay, for
 * the branch computes what the part computed. `undefined` where the part's output is no output of the fused file.
 */
export function branchCard(
  card: ModelCard,
  part: FusedPart,
  file: { readonly fused: FusedModel; readonly sha256: string },
): ModelCard | undefined {
  const { fused, sha256 } = file;
  const given = new Set(fused.model.graph.outputs.map((o) => o.name));
  const output = renamedOutput(card.output, part);
  const needed = output.kind === "faces" ? (output.tensors ?? []).map((t) => t.tensor) : [output.tensor];
  const tensor = part.inputs.get(card.input.tensor);
  if (tensor === undefined || needed.some((name) => !given.has(name))) return undefined;
  return { ...card, input: { ...card.input, tensor }, output, modelSha256: sha256 };
}

function renamedOutput(output: ModelCard["output"], { outputs }: FusedPart): ModelCard["output"] {
  if (output.kind !== "faces") return { ...output, tensor: outputs.get(output.tensor) ?? output.tensor };
  // Roles are the names of the decoder, which those of the file may have been.
  const roles = output.tensors ?? [...outputs.keys()].map((tensor) => ({ role: tensor, tensor }));
  return { ...output, tensors: roles.map(({ role, tensor }) => ({ role, tensor: outputs.get(tensor) ?? tensor })) };
}

/** A card in the layout of the canonical model, which for a TFLite file is another than the file's. */
export function canonicalCard(card: ModelCard, part: Pick<FusedPart, "model">): ModelCard {
  const { inputs } = part.model.graph;
  if (card.output.kind !== "embedding") return card;
  if (card.modality === "face" && card.input.kind === "image" && card.input.placement.kind === "align")
    return cardFor(faceEmbeddingCard(card), inputs);
  if (card.modality === "voice" && card.input.kind === "features" && card.input.preparation !== undefined)
    return cardFor(voiceEmbeddingCard(card), inputs);
  return card;
}
