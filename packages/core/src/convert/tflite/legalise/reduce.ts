import { attrInt } from "../../../graph/node.ts";
import type { LegaliseRow, LegaliseSite, MadeAttributes, Verdict } from "./row.ts";

/** The attributes of a reduction, for another one over the same axes. */
function shared(site: LegaliseSite): MadeAttributes {
  const { node } = site;
  return {
    keepdims: attrInt(node, "keepdims", 1),
    noop_with_empty_axes: attrInt(node, "noop_with_empty_axes", 0),
  };
}

/** A reduction over the axes of this one. */
function over(site: LegaliseSite, op: string, x: string): string {
  return site.op(op, site.input(1) === "" ? [x] : [x, site.input(1)], shared(site));
}

/** log(sum(e^(x - max))) + max, which does not overflow. */
function logSumExp(site: LegaliseSite): Verdict {
  const x = site.input(0);
  const axes = site.input(1) === "" ? [] : [site.input(1)];
  const noop = attrInt(site.node, "noop_with_empty_axes", 0);
  const top = site.op("ReduceMax", [x, ...axes], { keepdims: 1, noop_with_empty_axes: noop });
  const sum = over(site, "ReduceSum", site.op("Exp", [site.op("Sub", [x, top])]));
  const peak = attrInt(site.node, "keepdims", 1) !== 0 ? top : over(site, "ReduceMax", x);
  return site.finish(site.op("Add", [site.op("Log", [sum]), peak]));
}

function row(op: string, says: string, make: (site: LegaliseSite, x: string) => string): LegaliseRow {
  return {
    name: op.toLowerCase(),
    ops: [op],
    says,
    costs: "An element-wise operator before SUM, or after it",
    rewrite: (site) => site.finish(make(site, site.input(0))),
  };
}

/** Reductions that are another one beside an element-wise operator. */
export const REDUCE_ROWS: readonly LegaliseRow[] = [
  row("ReduceL1", "sum of magnitudes", (site, x) => over(site, "ReduceSum", site.op("Abs", [x]))),
  row("ReduceL2", "root of the sum of squares", (site, x) => site.op("Sqrt", [over(site, "ReduceSum", site.op("Mul", [x, x]))])),
  row("ReduceSumSquare", "sum of squares", (site, x) => over(site, "ReduceSum", site.op("Mul", [x, x]))),
  row("ReduceLogSum", "logarithm of the sum", (site, x) => site.op("Log", [over(site, "ReduceSum", x)])),
  {
    name: "reducelogsumexp",
    ops: ["ReduceLogSumExp"],
    says: "logarithm of a sum of exponentials, the maximum taken out",
    costs: "Six operators",
    rewrite: logSumExp,
  },
];
