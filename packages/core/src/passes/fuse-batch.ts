import { fail } from "../base/error.ts";
import { type Dim, UNKNOWN_DIM } from "../graph/dim.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model, ValueInfo } from "../graph/model.ts";
import { inferTypes } from "../ops/infer-types.ts";
import { type NamedModel, resized } from "./fuse-names.ts";
import { rebatch } from "./rebatch.ts";

/** Models that agree on a batch. */
export interface AlignedParts {
  readonly parts: readonly NamedModel[];
  readonly batch: Dim;
  /** What was changed, in sentences. */
  readonly notes: readonly string[];
}

/** The name of a batch that all parts leave open. */
const FUSED_BATCH = "batch";

/**
 * Brings models to one batch, without which their embeddings cannot be put side by side. Unless one is asked for: open when all leave it open, else 1, for a
 * device sees one person at a time.
 *
 * @throws SHAPE_MISMATCH for a part whose inputs share no first size, and where a graph has its batch built in too deeply
 */
export function alignBatches(parts: readonly NamedModel[], wanted?: Dim): AlignedParts {
  const found = parts.map(({ name, model }) => batchOf(name, model));
  const batch = wanted ?? (found.every((own) => typeof own === "string") ? FUSED_BATCH : 1);
  const notes: string[] = [];
  const aligned = parts.map((part, i) => {
    const own = found[i] as Dim;
    if (own === batch) return part;
    notes.push(`${part.name}: batch ${own} became ${batch}`);
    return { ...part, model: typeof own === "number" ? rebatch(part.model, { batch }) : opened(part.model, own, batch) };
  });
  return { parts: aligned, batch, notes };
}

function batchOf(name: string, { graph }: Model): Dim {
  const inputs = graph.inputs.filter((input) => !graph.constants.has(input.name));
  const sizes = new Set(inputs.map(({ type }) => (type.kind === "tensor" ? (type.shape?.[0] ?? UNKNOWN_DIM) : UNKNOWN_DIM)));
  const [batch = UNKNOWN_DIM] = sizes;
  if (sizes.size === 1 && batch !== UNKNOWN_DIM) return batch;
  throw fail(
    "SHAPE_MISMATCH",
    `Cannot bring ${name} to a batch: its inputs do not share a first size with a name or a number (found ${[...sizes].join(", ") || "no input"})`,
    { hint: "Fuse it without a head, which needs no common batch" },
  );
}

/** The model with an open size under another name, or fixed to a number. */
function opened(model: Model, size: string, to: Dim): Model {
  const sizes = new Map<string, Dim>([[size, to]]);
  const changed = (info: ValueInfo): ValueInfo => ({ ...info, type: resized(info.type, sizes) });
  const { graph } = model;
  const types = new Map([...graph.types].map(([name, type]) => [name, resized(type, sizes)] as const));
  return inferTypes(
    withGraph(model, { ...graph, inputs: graph.inputs.map(changed), outputs: graph.outputs.map(changed), types }),
  );
}
