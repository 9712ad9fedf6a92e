import { type DType, isFloat } from "@tessera/core/graph/dtype";
import type { Target } from "@tessera/core/targets/target";
import type { FusionLinks, FusionNode } from "./fusion-graph.ts";

/** Why a node computes in float in the runtime's own graph. */
export const ISLAND_CODES = [
  "no-integer-kernel",
  "dynamic-rescale",
  "left-in-float",
  "input-not-quantized",
  "weight-not-quantized",
  "signed-activations",
  "types-differ",
  "bias-not-int32",
  "bias-scale",
  "output-not-quantized",
  "unknown",
] as const;

/** One of {@link ISLAND_CODES}. */
export type IslandCode = (typeof ISLAND_CODES)[number];

/** A reason, with a sentence for people. */
export interface IslandReason {
  readonly code: IslandCode;
  readonly why: string;
}

/** The standard operator that a node of the runtime's graph computes: fused and re-laid forms by their plain name. */
export function plainOp(node: Pick<FusionNode, "op">): string {
  return node.op.replace(/^Fused(?=[A-Z])/, "");
}

/** What the rules look at. */
interface Case {
  readonly node: FusionNode;
  readonly links: FusionLinks;
  readonly target: Target;
  /** Names of the inputs that carry activations, of the weight and of the bias. */
  readonly activations: readonly string[];
  readonly weight: string | undefined;
  readonly bias: string | undefined;
}

/** The DequantizeLinear that makes a value. */
function dequantizer(links: FusionLinks, value: string): FusionNode | undefined {
  const maker = links.maker(value);
  return maker?.op === "DequantizeLinear" ? maker : undefined;
}

/** Element type of the integers behind a value, when a DequantizeLinear makes it. */
function storedAs(links: FusionLinks, value: string): DType | undefined {
  const from = dequantizer(links, value)?.inputs[0];
  return from === undefined ? undefined : links.dtype(from);
}

function names(list: readonly string[]): string {
  return list.join(", ");
}

function isQuantized({ node, links }: Case): boolean {
  return node.outputs.some((o) => links.users(o).some((u) => u.op === "QuantizeLinear"));
}

/** The element type that the QuantizeLinear behind the node makes. */
function outputType({ node, links }: Case): DType | undefined {
  const quantizer = links.users(node.outputs[0] ?? "").find((u) => u.op === "QuantizeLinear");
  return quantizer && links.dtype(quantizer.outputs[0] ?? "");
}

function biasScaleOff({ links, activations, weight, bias }: Case): string | undefined {
  const scaleOf = (value: string | undefined): Float64Array | undefined => {
    const dq = value === undefined ? undefined : dequantizer(links, value);
    return dq && links.numbers(dq.inputs[1] ?? "");
  };
  const x = scaleOf(activations[0]);
  const w = scaleOf(weight);
  const b = scaleOf(bias);
  if (!x || !w || !b || x.length !== 1) return undefined;
  const count = Math.max(w.length, b.length);
  for (let c = 0; c < count; c++) {
    const wanted = Math.fround((x[0] as number) * ((w.length === 1 ? w[0] : w[c]) as number));
    const got = (b.length === 1 ? b[0] : b[c]) as number;
    if (wanted !== got) return `${got} instead of ${wanted} in channel ${c}`;
  }
  return undefined;
}

/** Whether a value is made from ConvInteger or MatMulInteger sums by nothing but a cast and a product. */
function fromIntegerSums(links: FusionLinks, value: string): boolean {
  const maker = links.maker(value);
  if (maker?.op === "ConvInteger" || maker?.op === "MatMulInteger") return true;
  return (maker?.op === "Cast" || maker?.op === "Mul") && maker.inputs.some((v) => fromIntegerSums(links, v));
}

/** Operators whose integer kernel may give float, so that a missing QuantizeLinear behind them is no reason. */
const FLOAT_OUTPUT_FUSES: ReadonlySet<string> = new Set(["MatMul", "Gemm"]);

/** In order; the first that says something is the reason. */
const RULES: readonly { readonly code: IslandCode; readonly why: (c: Case) => string | undefined }[] = [
  {
    code: "no-integer-kernel",
    why({ node, target }) {
      const op = plainOp(node);
      const rule = Object.hasOwn(target.operators, op) ? target.operators[op] : undefined;
      if (rule?.kind === "float") return rule.why;
      return rule ? undefined : `${op} has no integer kernel on ${target.id}`;
    },
  },
  {
    code: "dynamic-rescale",
    why: ({ node, links }) =>
      node.inputs.some((v) => fromIntegerSums(links, v))
        ? "it scales the integer sums of a dynamically quantized operator back or adds its bias"
        : undefined,
  },
  {
    code: "left-in-float",
    why(c) {
      const read = c.activations.some((v) => dequantizer(c.links, v));
      const written = isQuantized(c);
      if (!read && !written) return "neither its inputs nor its output are quantized: the plan leaves it in float";
      // Its neighbours put Q or DQ on one side of it. A float weight with Q/DQ on both sides would have been quantized by the runtime itself.
      const bare = c.weight !== undefined && !dequantizer(c.links, c.weight);
      return bare && !(read && written)
        ? `its weight and its ${read ? "output" : "input"} are not quantized: the plan leaves it in float`
        : undefined;
    },
  },
  {
    code: "input-not-quantized",
    why({ links, activations, node }) {
      const bare = activations.filter((v) => !dequantizer(links, v));
      if (bare.length === 0) return undefined;
      const which = bare.length < activations.length ? `one input of the ${node.op}` : "its input";
      return `${which} is not quantized: ${names(bare)}`;
    },
  },
  {
    code: "weight-not-quantized",
    why: ({ links, weight }) =>
      weight !== undefined && !dequantizer(links, weight) ? `its weight ${weight} is not quantized` : undefined,
  },
  {
    code: "signed-activations",
    why(c) {
      if (c.target.activations.dtype !== "uint8") return undefined;
      const signed = c.activations.filter((v) => storedAs(c.links, v) === "int8");
      if (outputType(c) === "int8") signed.push(...c.node.outputs);
      return signed.length ? `its activations are int8, and ${c.target.id} fuses uint8: ${names(signed)}` : undefined;
    },
  },
  {
    code: "types-differ",
    why(c) {
      const stored = [...c.activations.map((v) => storedAs(c.links, v)), outputType(c)].filter((d) => d !== undefined);
      return new Set(stored).size > 1
        ? `its inputs and its output are quantized to different types: ${names(stored)}`
        : undefined;
    },
  },
  {
    code: "bias-not-int32",
    why({ links, bias }) {
      if (bias === undefined) return undefined;
      const stored = storedAs(links, bias);
      // A constant float bias is no obstacle: ONNX Runtime (1.30) quantizes it itself.
      if (stored === "int32" || (stored === undefined && links.graph.constants.has(bias))) return undefined;
      return `its bias ${bias} is ${stored ?? "computed in float"}, not int32 at x_scale*w_scale with zero point 0`;
    },
  },
  {
    code: "bias-scale",
    why(c) {
      const off = biasScaleOff(c);
      return off === undefined ? undefined : `the scale of its bias ${c.bias} is not x_scale*w_scale rounded to float32: ${off}`;
    },
  },
  {
    code: "output-not-quantized",
    why(c) {
      const { node, links } = c;
      if (FLOAT_OUTPUT_FUSES.has(plainOp(node))) return undefined;
      for (const value of node.outputs) {
        const floatUsers = links.users(value).filter((u) => u.op !== "QuantizeLinear");
        if (floatUsers.length)
          return `its output ${value} goes to ${names([...new Set(floatUsers.map((u) => u.op))])} without being quantized`;
        if (links.graph.outputs.includes(value)) return `its output ${value} is a float output of the model`;
      }
      return undefined;
    },
  },
];

/** Why the runtime computes this node in float; "unknown" when no rule knows. */
export function islandReason(node: FusionNode, links: FusionLinks, target: Target): IslandReason {
  const op = plainOp(node);
  const rule = Object.hasOwn(target.operators, op) ? target.operators[op] : undefined;
  const at = (i: number | undefined): string | undefined => (i === undefined ? undefined : node.inputs[i] || undefined);
  const weight = rule?.kind === "integer" ? at(rule.weight) : undefined;
  const bias = rule?.kind === "integer" ? at(rule.bias) : undefined;
  const activations = node.inputs.filter((v) => {
    if (v === "" || v === weight || v === bias) return false;
    const dtype = links.dtype(v);
    return dtype === undefined || isFloat(dtype);
  });
  const c: Case = { node, links, target, activations, weight, bias };
  for (const { code, why } of RULES) {
    const words = why(c);
    if (words !== undefined) return { code, why: words };
  }
  return { code: "unknown", why: `${target.id} left it in float and Tessera knows no rule for it` };
}
