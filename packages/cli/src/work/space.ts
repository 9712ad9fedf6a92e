import { isTesseraError } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import type { ModelCard } from "@tessera/core/modality/card";
import { embeddingSpaceId, isContentId, roundedSpaceId } from "@tessera/core/modality/embedding-space";
import { canonicalDigest } from "@tessera/core/passes/network-digest";
import { planToJson } from "@tessera/core/quant/plan-json";
import { sha256 } from "../io/files.ts";
import { readModelFile } from "../io/model-file.ts";

/**
 * The embedding-space id of a network: one for the float network in whatever format, another for each rounding of it. That templates of both mix is
 * not known from content; it is measured, and then they share the id of the float one.
 */
export async function spaceOfModel(model: Model, card: ModelCard, plan?: QuantPlan): Promise<string> {
  const { tensor } = card.output.kind === "faces" ? { tensor: "" } : card.output;
  const [first] = model.graph.outputs;
  const output = model.graph.outputs.find(({ name }) => name === tensor) ?? first;
  const space = embeddingSpaceId(await canonicalDigest(model, output?.name ?? ""), card);
  return plan === undefined ? space : roundedSpaceId(space, sha256(planToJson(plan)));
}

/**
 * As {@link spaceOfModel}, of a file. The card that was made with the very file knows better: a rewritten network is written otherwise, and a rounded one
 * may have been measured to mix. A file that cannot be read into a model (`.ort`, unknown operators) has the id of its bytes.
 */
export async function spaceOfFile(file: { readonly path: string; readonly sha256: string }, card: ModelCard): Promise<string> {
  const { embeddingSpace, modelSha256 } = card;
  if (embeddingSpace !== undefined && modelSha256 === file.sha256 && isContentId(embeddingSpace)) return embeddingSpace;
  try {
    const { model, plan } = readModelFile(file.path);
    return await spaceOfModel(model, card, plan);
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    return embeddingSpaceId(file.sha256, card);
  }
}
