import { isStatic } from "@tessera/core/graph/dim";
import type { Model } from "@tessera/core/graph/model";
import { toNumbers, view } from "@tessera/core/graph/tensor";
import { eachGraph } from "@tessera/core/graph/walk";
import { opRow } from "@tessera/core/ops/table";

/** Weights smaller than this slow a network down: their products become subnormal numbers, which processors compute by microcode. */
const TINY = 1e-10;
/** Smallest normal float32. */
const SMALLEST_NORMAL = 2 ** -126;
const HALF_MAX = 65504;

interface WeightHazards {
  tiny: number;
  subnormal: number;
  big: number;
  notFinite: number;
}

function countWeights(values: Float32Array | Float64Array, found: WeightHazards): void {
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] as number);
    // Written so that NaN lands in the last branch.
    if (magnitude <= HALF_MAX) {
      if (magnitude < TINY && magnitude !== 0) {
        found.tiny++;
        if (magnitude < SMALLEST_NORMAL) found.subnormal++;
      }
    } else if (magnitude < Number.POSITIVE_INFINITY) found.big++;
    else found.notFinite++;
  }
}

/** What in a model is known to hurt on devices, in sentences. */
export function hazardsOf(model: Model): readonly string[] {
  const weights: WeightHazards = { tiny: 0, subnormal: 0, big: 0, notFinite: 0 };
  const operators = new Map<string, number>();
  const unknown = new Set<string>();
  eachGraph(model.graph, (graph) => {
    for (const tensor of graph.constants.values()) {
      if (tensor.dtype === "float32") countWeights(view(tensor, "float32"), weights);
      else if (tensor.dtype === "float64") countWeights(toNumbers(tensor), weights);
    }
    for (const node of graph.nodes) {
      if (node.domain === "") operators.set(node.op, (operators.get(node.op) ?? 0) + 1);
      if (opRow(node) === undefined) unknown.add(node.domain === "" ? node.op : `${node.domain}.${node.op}`);
    }
  });
  const hazards: string[] = [];
  if (weights.tiny > 0)
    hazards.push(
      `${weights.tiny} weights below 1e-10 (${weights.subnormal} of them subnormal): products with them become subnormal and slow; simplify flushes them`,
    );
  if (weights.big > 0) hazards.push(`${weights.big} weights above 65,504 do not fit float16`);
  if (weights.notFinite > 0) hazards.push(`${weights.notFinite} weights are NaN or infinite`);
  const prelu = operators.get("PRelu") ?? 0;
  if (prelu > 0)
    hazards.push(
      `${prelu} PRelu: no integer kernel in ONNX Runtime, and a slow float one; simplify --target ort-x64 rewrites it`,
    );
  const quantized = operators.get("DequantizeLinear") ?? 0;
  if (quantized > 0) hazards.push(`${quantized} DequantizeLinear: the model is quantized already; start from the float one`);
  const moving = model.graph.inputs.filter((i) => i.type.kind !== "tensor" || !isStatic(i.type.shape));
  if (moving.length > 0)
    hazards.push(`symbolic or unknown sizes in ${moving.map((i) => i.name).join(", ")}: some targets need them fixed`);
  if (unknown.size > 0) hazards.push(`operators not reasoned about: ${[...unknown].sort().join(", ")}`);
  return hazards;
}
