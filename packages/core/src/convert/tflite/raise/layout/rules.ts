import { withAttributes } from "../../../../graph/edit.ts";
import type { Node } from "../../../../graph/model.ts";
import { attrInt, attrInts, isOp } from "../../../../graph/node.ts";
import { channelsFirst, channelsLast } from "../permute.ts";
import type { LayoutEdit, LayoutRule, LayoutSite } from "./rule.ts";
import { ELEMENTWISE, follows, ints, LEAST_RANK, moved, type RuleOf, same } from "./rule-parts.ts";
import { reshapeRule } from "./rule-reshape.ts";

/** The rule of a node that stays as it is. */
export function plainRule(node: Node): LayoutRule {
  return { inputs: node.inputs.map(() => 0), outputs: node.outputs.map(() => 0), groups: [0], write: () => node };
}

const elementwise: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.outputs[0] as string)?.length ?? 0;
  if (rank < LEAST_RANK) return undefined;
  const groups: number[] = [];
  for (const name of node.inputs) {
    if (name === "" || site.constant(name) !== undefined) groups.push(-1);
    else if (site.shape(name)?.length === rank) groups.push(0);
    else if (site.shape(name)?.length === 0) groups.push(-1);
    else return undefined;
  }
  const write: LayoutRule["write"] = ([label], edit) =>
    label === 1
      ? {
          ...node,
          inputs: node.inputs.map((name, i) =>
            groups[i] === -1 && name !== "" && site.constant(name) !== undefined ? edit.turned(name, rank) : name,
          ),
        }
      : node;
  return { inputs: groups, outputs: node.outputs.map(() => 0), groups: [undefined], write };
};

/** Operators with an attribute that names one axis, which all inputs share. */
const alongAxis: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.outputs[0] as string)?.length ?? 0;
  if (rank < LEAST_RANK || node.inputs.some((name, i) => (i === 0 || isOp(node, "Concat")) && site.shape(name)?.length !== rank))
    return undefined;
  const isConcat = isOp(node, "Concat");
  const axis = attrInt(node, "axis", -1);
  const value = moved(axis < 0 ? axis + rank : axis, rank);
  return {
    inputs: node.inputs.map((name, i) => (i > 0 && !isConcat ? -1 : site.constant(name) === undefined ? 0 : -1)),
    outputs: node.outputs.map(() => 0),
    groups: [undefined],
    write: ([label], edit) => {
      if (label === 0) return node;
      const inputs = isConcat
        ? node.inputs.map((name) => (site.constant(name) === undefined ? name : edit.turned(name, rank, true)))
        : node.inputs;
      return { ...withAttributes(node, { axis: { kind: "int", value } }), inputs };
    },
  };
};

/**
 * What taking axes out does to the other layout: "same" when what is left has its channels first too, "plain" when it is what is left of the file's
 * layout, `undefined` when it is neither.
 */
function withoutAxes(rank: number, axes: readonly number[]): "same" | "plain" | undefined {
  const kept = Array.from({ length: rank }, (_, i) => i).filter((axis) => !axes.includes(axis));
  const left = channelsFirst(rank).filter((axis) => !axes.includes(axis));
  if (same(left, kept)) return "plain";
  if (kept.length < LEAST_RANK) return undefined;
  return same(
    left,
    channelsFirst(kept.length).map((i) => kept[i] as number),
  )
    ? "same"
    : undefined;
}

/** Groups of a node that takes axes out of its input (or, turned around, puts them in). */
function removal(
  site: LayoutSite,
  at: {
    readonly rank: number;
    readonly axes: readonly number[];
    readonly puts?: boolean;
    readonly change: (edit: LayoutEdit) => Node;
  },
): LayoutRule | undefined {
  const { node } = site;
  const kind = withoutAxes(at.rank, at.axes);
  if (kind === undefined) return undefined;
  if (kind === "same") return follows(site, at.change);
  const [wide, narrow] = [0, 1];
  return {
    inputs: node.inputs.map((_, i) => (i > 0 ? -1 : at.puts ? narrow : wide)),
    outputs: node.outputs.map(() => (at.puts ? wide : narrow)),
    groups: [undefined, 0],
    write: ([label], edit) => (label === 1 ? at.change(edit) : node),
  };
}

const reduction: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.inputs[0] as string)?.length ?? 0;
  const axes = ints(site, 1);
  if (rank < LEAST_RANK || axes === undefined) return undefined;
  const change = (edit: LayoutEdit): Node => ({
    ...node,
    inputs: [node.inputs[0] as string, edit.list(axes.map((a) => moved(a, rank)).sort((a, b) => a - b))],
  });
  if (attrInt(node, "keepdims", 1) === 1) return follows(site, change);
  return removal(site, { rank, axes, change });
};

const argument: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.inputs[0] as string)?.length ?? 0;
  if (rank < LEAST_RANK || attrInt(node, "keepdims", 1) === 1) return undefined;
  const axis = attrInt(node, "axis", 0);
  return removal(site, {
    rank,
    axes: [axis],
    change: () => withAttributes(node, { axis: { kind: "int", value: moved(axis, rank) } }),
  });
};

const squeeze: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.inputs[0] as string)?.length ?? 0;
  const axes = ints(site, 1);
  if (rank < LEAST_RANK || axes === undefined) return undefined;
  return removal(site, {
    rank,
    axes,
    change: (edit) => ({ ...node, inputs: [node.inputs[0] as string, edit.list(axes.map((a) => moved(a, rank)))] }),
  });
};

const unsqueeze: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.outputs[0] as string)?.length ?? 0;
  const axes = ints(site, 1);
  if (rank < LEAST_RANK || axes === undefined) return undefined;
  const change = (edit: LayoutEdit): Node => ({
    ...node,
    inputs: [node.inputs[0] as string, edit.list(axes.map((a) => moved(a, rank)).sort((a, b) => a - b))],
  });
  return removal(site, { rank, axes, puts: true, change });
};

/** Lists with an entry for each axis (sizes, repeats), in input 1. */
const byAxis: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.outputs[0] as string)?.length ?? 0;
  const list = ints(site, 1);
  if (rank < LEAST_RANK || list?.length !== rank || site.shape(node.inputs[0] as string)?.length !== rank) return undefined;
  return follows(site, (edit) => ({
    ...node,
    inputs: [node.inputs[0] as string, edit.list(channelsFirst(rank).map((a) => list[a] as number))],
  }));
};

const pad: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.outputs[0] as string)?.length ?? 0;
  const pads = ints(site, 1);
  if (rank < LEAST_RANK || pads?.length !== 2 * rank || node.inputs[3]) return undefined;
  return follows(site, (edit) => {
    const perm = channelsFirst(rank);
    const list = edit.list([...perm.map((a) => pads[a] as number), ...perm.map((a) => pads[a + rank] as number)]);
    return { ...node, inputs: node.inputs.map((name, i) => (i === 1 ? list : name)) };
  });
};

/** Slice and CumSum name axes in a constant input. */
const namedAxes =
  (i: number): RuleOf =>
  (site) => {
    const { node } = site;
    const rank = site.shape(node.outputs[0] as string)?.length ?? 0;
    const axes = ints(site, i);
    const constant = site.constant(node.inputs[i] ?? "");
    if (rank < LEAST_RANK || axes === undefined || constant === undefined) return undefined;
    return follows(site, (edit) => {
      const list = edit.replaced(node.inputs[i] as string, (t) => ({
        ...t,
        bytes: new Uint8Array(BigInt64Array.from(axes, (a) => BigInt(moved(a, rank))).buffer),
      }));
      return { ...node, inputs: node.inputs.map((name, k) => (k === i ? list : name)) };
    });
  };

const gather: RuleOf = (site) => {
  const { node } = site;
  const rank = site.shape(node.inputs[0] as string)?.length ?? 0;
  const indices = site.constant(node.inputs[1] as string);
  if (rank < LEAST_RANK || indices === undefined) return undefined;
  const axis = attrInt(node, "axis", 0);
  const change = (): Node => withAttributes(node, { axis: { kind: "int", value: moved(axis, rank) } });
  if (indices.shape.length === 1) return follows(site, change);
  return indices.shape.length === 0 ? removal(site, { rank, axes: [axis], change }) : undefined;
};

const transpose: RuleOf = (site) => {
  const { node } = site;
  const perm = attrInts(node, "perm");
  if (perm === undefined || perm.length < LEAST_RANK) return undefined;
  const rank = perm.length;
  if (same(perm, channelsFirst(rank))) return { inputs: [0], outputs: [1], groups: [1, 0], write: () => "alias" };
  if (same(perm, channelsLast(rank))) return { inputs: [0], outputs: [1], groups: [0, 1], write: () => "alias" };
  // Any other one takes over what its sides would need.
  return {
    inputs: [0],
    outputs: [1],
    groups: [undefined, undefined],
    write: ([from, to]) => {
      const outer = to === 1 ? channelsFirst(rank).map((a) => perm[a] as number) : perm;
      const whole = from === 1 ? outer.map((a) => moved(a, rank)) : outer;
      return withAttributes(node, { perm: { kind: "ints", value: whole } });
    },
  };
};

const REDUCTIONS = ["ReduceMean", "ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceL2"];

const RULES: ReadonlyMap<string, RuleOf> = new Map<string, RuleOf>([
  ...ELEMENTWISE.map((op): [string, RuleOf] => [op, elementwise]),
  ...REDUCTIONS.map((op): [string, RuleOf] => [op, reduction]),
  ...["Concat", "Split", "Softmax", "LogSoftmax", "LpNormalization"].map((op): [string, RuleOf] => [op, alongAxis]),
  ["ArgMax", argument],
  ["ArgMin", argument],
  ["Squeeze", squeeze],
  ["Unsqueeze", unsqueeze],
  ["Expand", byAxis],
  ["Tile", byAxis],
  ["Pad", pad],
  ["Slice", namedAxes(3)],
  ["CumSum", namedAxes(1)],
  ["Gather", gather],
  ["Transpose", transpose],
  ["Reshape", reshapeRule],
]);

/** The rule of a node; nodes without a row, and those whose row cannot tell, stay in the file's layout. */
export function layoutRule(site: LayoutSite): LayoutRule {
  const { node } = site;
  const rule = node.domain === "" ? RULES.get(node.op)?.(site) : undefined;
  return rule ?? plainRule(node);
}
