import { withAttributes } from "../../../../graph/edit.ts";
import type { Node } from "../../../../graph/model.ts";
import { attrInt, attrInts, isOp } from "../../../../graph/node.ts";
import { countOf, reshaped, toInts } from "../../../../graph/tensor.ts";
import { channelsFirst, channelsLast, permuted } from "../permute.ts";
import type { Label, LayoutEdit, LayoutRule, LayoutSite } from "./rule.ts";

/** Smallest rank at which there are two layouts. */
export const LEAST_RANK = 3;

const ELEMENTWISE = [
  ...["Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign", "Not", "Erf", "IsNaN"],
  ...["Relu", "LeakyRelu", "Elu", "Gelu", "HardSwish", "Sigmoid", "Tanh", "PRelu", "Clip", "Identity", "Cast"],
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mod", "Sum", "And", "Or", "Xor", "BitwiseXor", "Where"],
  ...["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"],
];

type RuleOf = (site: LayoutSite) => LayoutRule | undefined;

/** The permutations of channels and whether two are the same. */
function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i]);
}

/** Whether channels first and channels last have their elements at the same places, because what moves is of size 1. */
function isSame(shape: readonly number[]): boolean {
  const wide = channelsFirst(shape.length).filter((axis) => shape[axis] !== 1);
  return wide.every((axis, i) => i === 0 || axis > (wide[i - 1] as number));
}

/** Where an axis of the file's layout is when channels stand first. */
function moved(axis: number, rank: number): number {
  return channelsFirst(rank).indexOf(axis);
}

function ints(site: LayoutSite, i: number): number[] | undefined {
  const constant = site.constant(site.node.inputs[i] ?? "");
  return constant === undefined ? undefined : toInts(constant);
}

/** The rule of a node that stays as it is. */
export function plainRule(node: Node): LayoutRule {
  return { inputs: node.inputs.map(() => 0), outputs: node.outputs.map(() => 0), groups: [0], write: () => node };
}

/** One group of the first input and output, the other inputs constants; `change` writes the node for channels first. */
function follows(
  site: LayoutSite,
  change: (edit: LayoutEdit) => Node,
  free: readonly (Label | undefined)[] = [undefined],
): LayoutRule {
  const { node } = site;
  return {
    inputs: node.inputs.map((_, i) => (i === 0 ? 0 : -1)),
    outputs: node.outputs.map(() => 0),
    groups: free,
    write: ([label], edit) => (label === 1 ? change(edit) : node),
  };
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

/** A constant that takes up the order of a flattening: input `input` of `reader`. */
interface Absorber {
  readonly reader: Node;
  readonly input: number;
  readonly kind: "weights" | "operand";
}

/** Most nodes between a flattening and the products behind it. */
const MAX_BETWEEN = 16;

/**
 * The constants behind a row of flattened channels that can take up its order: weights of the products that read it, and constant operands of
 * element-wise nodes on the way to them. `undefined` when something else reads it.
 */
function absorbersBehind(site: LayoutSite): readonly Absorber[] | undefined {
  const found: Absorber[] = [];
  const seen = new Set<string>();
  const width = site.shape(site.node.outputs[0] as string)?.[1];
  const visit = (value: string): boolean => {
    if (site.isOutput(value) || seen.size > MAX_BETWEEN) return false;
    return site.readers(value).every((reader) => {
      if (isOp(reader, "Gemm")) {
        const isOurs =
          reader.inputs[0] === value &&
          reader.inputs.indexOf(value, 1) < 0 &&
          site.constant(reader.inputs[1] as string) !== undefined;
        if (!isOurs || attrInt(reader, "transB", 0) !== 1 || attrInt(reader, "transA", 0) !== 0) return false;
        found.push({ reader, input: 1, kind: "weights" });
        return true;
      }
      if (reader.domain !== "" || !ELEMENTWISE.includes(reader.op) || reader.outputs.length !== 1) return false;
      if (seen.has(reader.name)) return true;
      seen.add(reader.name);
      if (site.shape(reader.outputs[0] as string)?.[1] !== width) return false;
      for (const [input, name] of reader.inputs.entries()) {
        const constant = site.constant(name);
        if (name === value || name === "" || (constant !== undefined && countOf(constant.shape) === 1)) continue;
        if (constant === undefined || constant.shape.at(-1) !== width || countOf(constant.shape) !== width) return false;
        found.push({ reader, input, kind: "operand" });
      }
      return visit(reader.outputs[0] as string);
    });
  };
  return visit(site.node.outputs[0] as string) && found.some((a) => a.kind === "weights") ? found : undefined;
}

const reshape: RuleOf = (site) => {
  const { node } = site;
  const from = site.shape(node.inputs[0] as string);
  const to = site.shape(node.outputs[0] as string);
  const target = ints(site, 1);
  if (from === undefined || to === undefined || target === undefined || !same(target, to)) return undefined;
  const input = node.inputs[0] as string;
  const towards = (edit: LayoutEdit, label: Label | undefined): Node =>
    label === 1 ? { ...node, inputs: [input, edit.list(channelsFirst(to.length).map((a) => to[a] as number))] } : node;
  const freeIn = from.length >= LEAST_RANK && isSame(from);
  const freeOut = to.length >= LEAST_RANK && isSame(to);
  const canAbsorb = from.length >= LEAST_RANK && !freeIn && to.length === 2 && to[0] === from[0] && countOf(from) > 0;
  const absorbers = canAbsorb ? absorbersBehind(site) : undefined;
  if (absorbers !== undefined) {
    return {
      inputs: [0, -1],
      outputs: [-1],
      groups: [undefined],
      write: ([label], edit) => {
        if (label !== 1) return node;
        const turn = [0, ...channelsFirst(from.length).slice(1)];
        for (const { reader, input, kind } of absorbers) {
          const name = edit.replaced(reader.inputs[input] as string, (t) => {
            const rows = kind === "weights" ? (t.shape[0] as number) : 1;
            return reshaped(permuted(reshaped(t, [rows, ...from.slice(1)]), turn), t.shape);
          });
          edit.override(reader, input, name);
        }
        return node;
      },
    };
  }
  const keepsEnds = from.length >= LEAST_RANK && to.length >= LEAST_RANK && from[0] === to[0] && from.at(-1) === to.at(-1);
  if (!freeIn && !freeOut && keepsEnds && countOf(from) > 0) return follows(site, (edit) => towards(edit, 1));
  return {
    inputs: [0, -1],
    outputs: [1],
    groups: [freeIn ? undefined : 0, freeOut ? undefined : 0],
    write: ([, label], edit) => towards(edit, label),
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
  ["Reshape", reshape],
]);

/** The rule of a node; nodes without a row, and those whose row cannot tell, stay in the file's layout. */
export function layoutRule(site: LayoutSite): LayoutRule {
  const { node } = site;
  const rule = node.domain === "" ? RULES.get(node.op)?.(site) : undefined;
  return rule ?? plainRule(node);
}
