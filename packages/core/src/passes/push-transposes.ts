import type { GraphDraft } from "../graph/draft.ts";
import { withAttributes } from "../graph/edit.ts";
import type { Node } from "../graph/model.ts";
import { attrInt, isOp } from "../graph/node.ts";
import { i64, type Tensor } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { graphPass, type Pass } from "./pass.ts";
import { permOf } from "./reshape-target.ts";
import { constantInts, frontAxes, isOneOf, shapeOf } from "./values.ts";

/** Operators that work on each element by itself; all inputs broadcast. */
const ELEMENTWISE = [
  ...["Abs", "Ceil", "Clip", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Neg"],
  ...["Not", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softplus", "Softsign", "Sqrt", "Tanh"],
  ...["Add", "Sub", "Mul", "Div", "Pow", "PRelu", "Min", "Max", "Where", "Equal", "Greater", "Less", "And", "Or"],
];
const REDUCTIONS = ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd"];

/** How many nodes may lie between the two Transposes. */
const MAX_NODES = 32;

/**
 * Removes a Transpose together with the ones that it undoes further up, when only element-wise operators, Concat, Softmax and reductions that keep their axes lie
 * between: those then work in the other layout, constants transposed, axes renamed. Only where every way up ends in such a Transpose or a constant, so nodes only
 * ever go. Enters subgraphs.
 */
export function pushTransposesPass(): Pass {
  return graphPass(
    "push-transposes",
    "Removes Transposes that undo each other across element-wise operators",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current === undefined || !isOp(current, "Transpose")) continue;
        const perm = permOf(draft, current);
        const top = draft.producer(current.inputs[0] as string);
        if (perm === undefined || top === undefined || isOp(top, "Transpose") || draft.isOutput(top.outputs[0] as string))
          continue;
        const between = new Map<string, Node>();
        const why = collect(draft, current.inputs[0] as string, { perm, between });
        const stranger = why === undefined ? readOutside(draft, current, between) : undefined;
        if (why !== undefined || stranger !== undefined) {
          if (why !== "") log.declined("transposes-apart", node, why ?? `${stranger} has other readers`);
          continue;
        }
        if (!log.may("transposes-apart", node)) continue;
        if (!rewrite(draft, { last: current, perm, between: [...between.values()] })) {
          log.declined("transposes-apart", node, "a constant between cannot be transposed");
          continue;
        }
        log.changed("transposes-apart", node, `across ${between.size} nodes`);
      }
    },
    { types: true },
  );
}

function undoes(draft: GraphDraft, node: Node, perm: readonly number[]): boolean {
  const first = isOp(node, "Transpose") ? permOf(draft, node) : undefined;
  return first !== undefined && first.length === perm.length && perm.every((axis, i) => first[axis] === i);
}

/** Collects the nodes between; answers why it cannot be done, "" where there is nothing to tell. */
function collect(
  draft: GraphDraft,
  value: string,
  at: { readonly perm: readonly number[]; readonly between: Map<string, Node> },
): string | undefined {
  if (draft.constant(value) !== undefined) return undefined;
  const node = draft.producer(value);
  if (node === undefined) return "";
  if (undoes(draft, node, at.perm)) return undefined;
  if (!isOneOf(node, [...ELEMENTWISE, ...REDUCTIONS, "Concat", "Softmax"])) return "";
  if (at.between.has(node.name)) return undefined;
  if (at.between.size >= MAX_NODES) return `more than ${MAX_NODES} nodes lie between`;
  if (draft.isOutput(value) || node.outputs.length !== 1) return `${value} is read as it is`;
  if (shapeOf(draft, value)?.length !== at.perm.length) return `the rank changes at ${node.name}`;
  if (isOneOf(node, REDUCTIONS) && (attrInt(node, "keepdims", 1) === 0 || constantInts(draft, node.inputs[1]) === undefined))
    return `${node.name} gives up its axes`;
  at.between.set(node.name, node);
  const data = isOneOf(node, ["Clip", ...REDUCTIONS]) ? node.inputs.slice(0, 1) : node.inputs;
  let transposes = 0;
  for (const input of data) {
    if (input === "") continue;
    const why = collect(draft, input, at);
    if (why !== undefined) return why;
    if (draft.constant(input) === undefined) transposes++;
  }
  return transposes === 0 ? "" : undefined;
}

/** A value between that is also read by someone outside. */
function readOutside(draft: GraphDraft, last: Node, between: ReadonlyMap<string, Node>): string | undefined {
  for (const node of between.values()) {
    const value = node.outputs[0] as string;
    if (draft.consumers(value).some((c) => c.name !== last.name && !between.has(c.name))) return value;
  }
  return undefined;
}

function transposed(constant: Tensor, perm: readonly number[]): Tensor | undefined {
  if (constant.shape.length > perm.length) return undefined;
  if (constant.shape.every((n) => n === 1)) return constant;
  const wide = [...new Array<number>(perm.length - constant.shape.length).fill(1), ...constant.shape];
  const node: Node = {
    name: "t",
    op: "Transpose",
    domain: "",
    inputs: ["x"],
    outputs: ["y"],
    attributes: new Map([["perm", { kind: "ints", value: perm }]]),
  };
  const opaque = { kind: "opaque", record: undefined } as const;
  const graph = {
    name: "t",
    inputs: [],
    outputs: [{ name: "y", type: opaque }],
    nodes: [node],
    constants: new Map([["x", { ...constant, shape: wide }]]),
    types: new Map(),
  };
  return interpret(graph, new Map()).get("y");
}

function rewrite(
  draft: GraphDraft,
  at: { readonly last: Node; readonly perm: readonly number[]; readonly between: readonly Node[] },
): boolean {
  const { last, perm, between } = at;
  const constants = new Map<string, Tensor>();
  for (const node of between) {
    for (const input of dataOf(node)) {
      const constant = draft.constant(input);
      if (constant === undefined || constants.has(input)) continue;
      const turned = transposed(constant, perm);
      if (turned === undefined) return false;
      constants.set(input, turned);
    }
  }
  const names = new Map<string, string>();
  for (const [name, tensor] of constants)
    names.set(name, tensor === draft.constant(name) ? name : draft.addConstant(`${name}_transposed`, tensor));
  // The values between get other names, because they are other values: what holds for the old ones must not be believed of them.
  const next = new Map(between.map((n) => [n.outputs[0] as string, draft.freshName(`${n.outputs[0]}_moved`)] as const));
  const axisNow = (axis: number): number => perm.indexOf(axis < 0 ? axis + perm.length : axis);
  const output = last.outputs[0] as string;
  next.set(last.inputs[0] as string, output);
  draft.remove(last);
  for (const node of between) {
    const data = new Set(dataOf(node));
    const inputs = node.inputs.map((input) => {
      if (!data.has(input)) return input;
      return next.get(input) ?? names.get(input) ?? (draft.producer(input)?.inputs[0] as string);
    });
    let changed: Node = { ...node, inputs };
    if (isOneOf(node, ["Concat", "Softmax"])) {
      const axis = axisNow(attrInt(node, "axis", -1));
      changed = withAttributes(changed, { axis: { kind: "int", value: axis } });
    } else if (isOneOf(node, REDUCTIONS)) {
      const axes = frontAxes(constantInts(draft, node.inputs[1]) ?? [], perm.length).map(axisNow);
      changed = {
        ...changed,
        inputs: [inputs[0] as string, draft.addConstant(`${node.outputs[0]}_axes`, i64([axes.length], axes))],
      };
    }
    draft.replace(draft.current(node) as Node, { ...changed, outputs: [next.get(node.outputs[0] as string) as string] });
  }
  return true;
}

/** Inputs that have the layout; bounds and axes have none. */
function dataOf(node: Node): readonly string[] {
  return isOneOf(node, ["Clip", ...REDUCTIONS]) ? node.inputs.slice(0, 1) : node.inputs.filter((name) => name !== "");
}
