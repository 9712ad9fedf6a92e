import { GraphDraft } from "../graph/draft.ts";
import { DTYPES } from "../graph/dtype.ts";
import { withGraph } from "../graph/edit.ts";
import { type Model, type Node, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { fromNumbers, toNumbers } from "../graph/tensor.ts";
import { usedNames } from "../graph/walk.ts";
import { floatOnlyInputs, halfReason } from "./half-rules.ts";
import type { Histogram } from "./histogram.ts";

/** What {@link computeHalf} did. */
export interface ComputeHalfReport {
  /** Nodes that compute in float16. */
  readonly half: number;
  /** Nodes that stay in float32, and why. Nodes without float data are in neither. */
  readonly kept: readonly { readonly node: string; readonly op: string; readonly why: string }[];
  /** Casts between the two, those at graph inputs and outputs included. */
  readonly casts: number;
  /** Weights that became zero because they are below float16's smallest number (about 6e-8). */
  readonly underflowed: number;
}

/** Options of {@link computeHalf}. */
export interface ComputeHalfOptions {
  /** What calibration saw, by value: decides what float16 cannot hold. Without, only operators and constants decide. */
  readonly histograms?: ReadonlyMap<string, Histogram>;
}

/**
 * The network in float16, with its inputs and outputs as they were. A node stays in float32 when its operator has no float16 form, when a value or
 * constant exceeds 65,504 or drowns below the normal numbers, or when sums and squares that it makes inside would: see {@link halfReason}. Casts
 * stand only where float16 and float32 meet, one for each value. Types must be inferred; subgraphs stay in float32. For runtimes with float16
 * kernels; on a CPU that has none, storeHalf is the form.
 */
export function computeHalf(
  model: Model,
  options: ComputeHalfOptions = {},
): { readonly model: Model; readonly report: ComputeHalfReport } {
  const draft = new GraphDraft(model.graph);
  const isFloat32 = (name: string): boolean => {
    const type = draft.type(name);
    return draft.constant(name)?.dtype === "float32" || (type?.kind === "tensor" && type.dtype === "float32");
  };
  const kept: { node: string; op: string; why: string }[] = [];
  const half = new Map<string, Node>();
  for (const node of model.graph.nodes) {
    const why = halfReason(node, { draft, histograms: options.histograms ?? new Map(), isFloat32 });
    if (why === "no float data") continue;
    if (why === undefined) half.set(node.name, node);
    else kept.push({ node: node.name, op: node.op, why });
  }

  const halves = new Map<string, string>();
  const halfName = (name: string): string => {
    const made = halves.get(name) ?? draft.freshName(`${name}_half`);
    halves.set(name, made);
    const type = draft.type(name);
    if (type?.kind === "tensor") draft.setType(made, tensorType("float16", type.shape));
    return made;
  };
  let casts = 0;
  let underflowed = 0;
  const cast = (from: string, to: string, dtype: "float16" | "float32", like: Node | undefined): void => {
    draft.add(makeNode("Cast", { inputs: [from], outputs: [to] }, { name: to, attributes: { to: DTYPES[dtype].onnx } }), like);
    casts++;
  };

  // Every value that a half node makes gets a second name; the first keeps meaning float32.
  const madeHalf = new Set<string>();
  for (const node of half.values()) for (const name of node.outputs) if (name !== "" && isFloat32(name)) madeHalf.add(name);
  const wantedWhole = new Set<string>(model.graph.outputs.map((o) => o.name));
  for (const node of model.graph.nodes) {
    const only = half.has(node.name) ? floatOnlyInputs(node) : undefined;
    for (const name of usedNames(node)) {
      const positions = node.inputs.flatMap((input, i) => (input === name ? [i] : []));
      if (only === undefined || positions.some((i) => only.has(i))) wantedWhole.add(name);
    }
  }
  for (const node of half.values()) {
    const only = floatOnlyInputs(node);
    const inputs = node.inputs.map((name, i) => {
      if (name === "" || only.has(i) || !isFloat32(name)) return name;
      const known = halves.get(name);
      if (known !== undefined) return known;
      const constant = draft.constant(name);
      if (constant === undefined) {
        const made = halfName(name);
        if (!madeHalf.has(name)) cast(name, made, "float16", node);
        return made;
      }
      const values = toNumbers(constant);
      const tensor = fromNumbers("float16", constant.shape, values);
      const back = toNumbers(tensor);
      for (let k = 0; k < values.length; k++) if (values[k] !== 0 && back[k] === 0) underflowed++;
      const made = draft.addConstant(`${name}_half`, tensor);
      halves.set(name, made);
      return made;
    });
    const outputs = node.outputs.map((name) => (madeHalf.has(name) ? halfName(name) : name));
    const [changed] = draft.replace(node, { ...node, inputs, outputs });
    for (const name of node.outputs)
      if (madeHalf.has(name) && wantedWhole.has(name)) cast(halfName(name), name, "float32", changed);
  }
  return { model: withGraph(model, draft.finish()), report: { half: half.size, kept, casts, underflowed } };
}
