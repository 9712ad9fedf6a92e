import { GraphDraft } from "../graph/draft.ts";
import { DTYPES } from "../graph/dtype.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { fromNumbers, toNumbers } from "../graph/tensor.ts";

/** Options of {@link storeHalf}. */
export interface StoreHalfOptions {
  /** Smaller constants stay as they are: a Cast costs more than they save. */
  readonly minBytes?: number;
}

/** Defaults of {@link StoreHalfOptions}. */
export const STORE_HALF_DEFAULTS = { minBytes: 1024 } as const;

/** What {@link storeHalf} did. */
export interface StoreHalfReport {
  readonly stored: number;
  /** Constants with a value beyond float16's range (65,504), kept in float32. */
  readonly kept: readonly string[];
  /** Weights that became zero because they are below float16's smallest number (about 6e-8). */
  readonly underflowed: number;
}

const HALF_MAX = 65504;

/**
 * Stores float32 weights as float16 with a Cast behind each; the network still computes in float32. Halves the file, costs no time where the runtime
 * folds the Cast when it loads the model, and moves results only by the rounding of the weights.
 */
export function storeHalf(
  model: Model,
  options: StoreHalfOptions = {},
): { readonly model: Model; readonly report: StoreHalfReport } {
  const minBytes = options.minBytes ?? STORE_HALF_DEFAULTS.minBytes;
  const draft = new GraphDraft(model.graph);
  const kept: string[] = [];
  let stored = 0;
  let underflowed = 0;
  for (const [name, tensor] of draft.constants()) {
    if (tensor.dtype !== "float32" || tensor.bytes.length < minBytes || draft.isInput(name) || draft.isOutput(name)) continue;
    const values = toNumbers(tensor);
    if (values.some((v) => !(Math.abs(v) <= HALF_MAX))) {
      kept.push(name);
      continue;
    }
    const half = fromNumbers("float16", tensor.shape, values);
    const back = toNumbers(half);
    for (let i = 0; i < values.length; i++) if (values[i] !== 0 && back[i] === 0) underflowed++;
    const like = draft.consumers(name)[0];
    const halfName = draft.addConstant(`${name}_half`, half);
    const output = draft.freshName(`${name}_float`);
    draft.renameUses(name, output);
    draft.add(makeNode("Cast", { inputs: [halfName], outputs: [output] }, { attributes: { to: DTYPES.float32.onnx } }), like);
    stored++;
  }
  return { model: withGraph(model, draft.finish()), report: { stored, kept, underflowed } };
}
