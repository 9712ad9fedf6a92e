import type { Model } from "@tessera/core/graph/model";
import { rebatch } from "@tessera/core/passes/rebatch";
import { formatRow } from "../io/formats.ts";
import { cardFor } from "./card-terms.ts";
import { floatOf } from "./lifted.ts";
import type { OptimizeJob, OptimizeRequest } from "./request.ts";
import { batchOf } from "./samples.ts";
import { spaceOfModel } from "./space.ts";

/** Runtimes of ONNX files, which run the network for proof and calibration whatever the target is. */
const HOSTS = ["ort-node", "ort-web"] as const;

/**
 * Makes a request ready: takes the float network out of the file, brings it to one face at a time where a TFLite file has another number written into
 * it, and puts the card into its terms.
 *
 * @throws SHAPE_MISMATCH when the batch cannot be changed, RUNTIME_MISSING
 */
export async function prepareJob(request: OptimizeRequest): Promise<OptimizeJob> {
  const { file, card, target, runtimes } = request;
  const lifted = floatOf(file);
  const notes = [...lifted.notes];
  const modelCard = cardFor(card, lifted.model.graph.inputs);
  const originalBatch = batchOf(lifted.model, modelCard);
  let model: Model = lifted.model;
  if (originalBatch > 1 && formatRow(file.format).ownTerms) {
    model = rebatch(model, { batch: 1 });
    notes.push(`the file that came in takes ${originalBatch} faces at a time: re-shaped to one`);
  }
  const hostId = HOSTS.find((id) => id === target.runtime) ?? HOSTS[0];
  return {
    ...request,
    model,
    space: await spaceOfModel(lifted.model, modelCard),
    modelCard,
    originalBatch,
    notes,
    host: await runtimes.get(hostId),
    runtime: await runtimes.get(target.runtime),
  };
}
