import type { Attribute } from "../../../graph/model.ts";
import { attrInt } from "../../../graph/node.ts";
import { reshaped } from "../../../graph/tensor.ts";
import type { LegaliseRow, LegaliseSite, Verdict } from "./row.ts";

/** What stands for the new axis of size 1 in each list attribute; pads have two ends. */
const NEUTRAL: Readonly<Record<string, number>> = {
  kernel_shape: 1,
  strides: 1,
  dilations: 1,
  output_padding: 0,
  output_shape: 1,
};

function widened(site: LegaliseSite): Record<string, Attribute> {
  const attributes: Record<string, Attribute> = {};
  for (const [name, attribute] of site.node.attributes) {
    if (attribute.kind !== "ints") attributes[name] = attribute;
    else if (name === "pads")
      attributes[name] = { kind: "ints", value: [0, attribute.value[0] ?? 0, 0, attribute.value[1] ?? 0] };
    else attributes[name] = { kind: "ints", value: [NEUTRAL[name] ?? 1, ...attribute.value] };
  }
  return attributes;
}

/** The same over pictures of one row: [N, C, L] as [N, C, 1, L]. */
function asPicture(site: LegaliseSite): Verdict {
  const { node } = site;
  const [x, w] = [site.input(0), site.input(1)];
  const rank = site.shape(x).length;
  if (rank !== 3) return "keep";
  const axes = site.list("axes", [2]);
  const wide = site.op("Unsqueeze", [x, axes]);
  site.sameNumbers(wide, x);
  const inputs = [wide];
  if (w !== "") {
    const constant = site.constant(w);
    const [out, depth, size] = site.shape(w) as [number, number, number];
    const weight =
      constant === undefined ? site.op("Unsqueeze", [w, axes]) : site.tensor("weight", reshaped(constant, [out, depth, 1, size]));
    site.sameNumbers(weight, w);
    inputs.push(weight, ...node.inputs.slice(2));
  }
  const outputs = site.ops(node.op, inputs, { count: node.outputs.length, attributes: widened(site) });
  const y = outputs[0] as string;
  site.sameNumbers(y, node.outputs[0] as string);
  return site.finish(...outputs.map((name, i) => (site.isUsed(i) || i === 0 ? site.op("Squeeze", [name, axes]) : undefined)));
}

/** Convolutions and pools over one axis. */
export const ONE_DIM_ROWS: readonly LegaliseRow[] = [
  {
    name: "one-dimensional",
    ops: ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"],
    says: "the same operator over pictures of one row",
    costs: "RESHAPEs, which move nothing",
    rewrite: asPicture,
  },
  {
    name: "lp-pool",
    ops: ["LpPool"],
    says: "root of the window's size times the mean of squares",
    costs: "MUL, AVERAGE_POOL_2D, MUL and SQRT",
    rewrite: lpPool,
  },
];

/** (sum |x|^p)^(1/p) over a window: an average with the padding counted, times the size of the window. */
function lpPool(site: LegaliseSite): Verdict {
  const { node } = site;
  const p = attrInt(node, "p", 2);
  if (p !== 1 && p !== 2) return site.cannot(`its exponent is ${p}`, "Use a pool with p = 1 or 2");
  const x = site.input(0);
  const kernel = node.attributes.get("kernel_shape");
  const size = kernel?.kind === "ints" ? kernel.value.reduce<number>((a, b) => a * Number(b), 1) : 1;
  const attributes = Object.fromEntries([...node.attributes].filter(([name]) => name !== "p"));
  const powers = p === 1 ? site.op("Abs", [x]) : site.op("Mul", [x, x]);
  const mean = site.op("AveragePool", [powers], { ...attributes, count_include_pad: 1 });
  const sum = site.op("Mul", [mean, site.scalar(size)]);
  return site.finish(p === 1 ? sum : site.op("Sqrt", [sum]));
}
