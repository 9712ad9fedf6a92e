import type { Graph, Node, ValueType } from "../../../../graph/model.ts";
import { tensorType } from "../../../../graph/model.ts";
import { makeNode } from "../../../../graph/node.ts";
import type { Encoding } from "../../../../graph/plan.ts";
import { makeNameBook } from "../../../onnx/names.ts";
import { channelsFirst, channelsLast } from "../permute.ts";
import { layoutConstants } from "./constants.ts";
import type { Label, LayoutEdit, LayoutRule, LayoutSite } from "./rule.ts";
import { LEAST_RANK } from "./rule-parts.ts";
import { layoutRule } from "./rules.ts";
import { chooseLabels } from "./solve.ts";

/** Options of {@link assignLayout}. */
export interface AssignOptions {
  /** Whether inputs and outputs of rank 4 may change their layout. */
  readonly moveEnds: boolean;
  readonly encodings: Map<string, Encoding>;
}

/**
 * Chooses for every value whether its channels stand last, as in the file, or in axis 1, so that the fewest Transposes are left: a minimum cut, exact.
 * Values between keep their names. Constants are transposed with the nodes that read them, and weights behind a flattening take up its order.
 *
 * @returns the graph, and the inputs and outputs whose layout changed
 */
export function assignLayout(graph: Graph, options: AssignOptions): { readonly graph: Graph; readonly moved: readonly string[] } {
  const { encodings } = options;
  const shapes = shapesOf(graph);
  const readersOf = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const name of new Set(node.inputs)) {
      const list = readersOf.get(name);
      if (list === undefined) readersOf.set(name, [node]);
      else list.push(node);
    }
  }
  const outputs = new Set(graph.outputs.map((o) => o.name));
  const site = (node: Node): LayoutSite => ({
    node,
    shape: (name) => graph.constants.get(name)?.shape ?? shapes.get(name),
    constant: (name) => graph.constants.get(name),
    readers: (name) => readersOf.get(name) ?? [],
    isOutput: (name) => outputs.has(name),
  });
  const rules = graph.nodes.map((node) => layoutRule(site(node)));
  const labels = chooseLabels(graph, { rules, shapes, moveEnds: options.moveEnds });

  const book = makeNameBook();
  for (const { name } of graph.inputs) book.take(name);
  for (const name of graph.constants.keys()) book.take(name);
  for (const node of graph.nodes) for (const name of [node.name, ...node.outputs]) book.take(name);
  const nodes: Node[] = [];
  const types = new Map<string, ValueType>();
  const stored = new Map<string, { readonly label: Label; readonly name: string }>();
  const copies = new Map<string, string>();
  const copied = new Set<string>();
  // What a value that only stood between was called -> the file's name for it.
  const renames = new Map<string, string>();

  const overrides = new Map<string, string>();
  const constants = layoutConstants(graph.constants, { book, encodings });
  const edit: LayoutEdit = {
    ...constants,
    override(reader, input, name) {
      overrides.set(`${reader.name}:${input}`, name);
    },
  };

  const get = (value: string, wanted: Label): string => {
    const own = stored.get(value);
    if (own === undefined) return value;
    if (own.label === wanted) return own.name;
    const key = `${value}:${wanted}`;
    const there = copies.get(key);
    if (there !== undefined) return there;
    const rank = (shapes.get(value) as readonly number[]).length;
    const name = book.fresh(`${value}_${wanted === 1 ? "nchw" : "nhwc"}`);
    nodes.push(
      makeNode(
        "Transpose",
        { inputs: [own.name], outputs: [name] },
        { attributes: { perm: wanted === 1 ? channelsFirst(rank) : channelsLast(rank) } },
      ),
    );
    const encoding = encodings.get(value);
    if (encoding !== undefined) encodings.set(name, encoding);
    copied.add(name);
    copies.set(key, name);
    return name;
  };

  const moved: string[] = [];
  const inputs = graph.inputs.map((input, i) => {
    if ((shapes.get(input.name)?.length ?? 0) < LEAST_RANK) return input;
    const label = labels.inputs[i] as Label;
    stored.set(input.name, { label, name: input.name });
    if (label === 0 || input.type.kind !== "tensor") return input;
    moved.push(input.name);
    return { ...input, type: turnedType(input.type) };
  });
  graph.nodes.forEach((node, i) => {
    const rule = rules[i] as LayoutRule;
    const chosen = labels.nodes[i] as readonly Label[];
    const written = rule.write(chosen, edit);
    const wire = (name: string, k: number): string => {
      const over = overrides.get(`${node.name}:${k}`);
      if (over !== undefined) return over;
      const group = rule.inputs[k] as number;
      return name === "" ? "" : get(name, group < 0 ? 0 : (chosen[group] as Label));
    };
    const output = node.outputs[0] as string;
    const labelOf = (k: number): Label => {
      const group = rule.outputs[k] as number;
      return group < 0 ? 0 : (chosen[group] as Label);
    };
    if (written === "alias") {
      const name = wire(node.inputs[0] as string, 0);
      stored.set(output, { label: labelOf(0), name });
      return;
    }
    nodes.push({
      ...written,
      inputs: written.inputs.map((name, k) =>
        node.inputs[k] === name ? wire(name, k) : (overrides.get(`${node.name}:${k}`) ?? name),
      ),
    });
    node.outputs.forEach((name, k) => {
      if (name !== "" && (shapes.get(name)?.length ?? 0) >= LEAST_RANK) stored.set(name, { label: labelOf(k), name });
    });
  });

  // Outputs keep their names: the value takes the name over where it can, and a copy of it does elsewhere.
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const ends = graph.outputs.map((output) => {
    const own = stored.get(output.name);
    if (own === undefined) return output;
    const free = options.moveEnds && (shapes.get(output.name)?.length ?? 0) === 4;
    const name = free ? own.name : get(output.name, 0);
    const type = free && own.label === 1 && output.type.kind === "tensor" ? turnedType(output.type) : output.type;
    if (type !== output.type) moved.push(output.name);
    if (name !== output.name) {
      // What was made under the output's name in the other layout makes room for it.
      if (own.name === output.name && made.has(own.name)) renames.set(own.name, book.fresh(`${own.name}_nchw`));
      const isMade = made.has(name) || copied.has(name);
      if (isMade && !outputs.has(name) && !renames.has(name)) renames.set(name, output.name);
      else nodes.push(makeNode("Identity", { inputs: [renames.get(name) ?? name], outputs: [output.name] }));
    }
    return { ...output, type };
  });
  for (const node of graph.nodes) {
    const [value] = node.outputs as readonly [string];
    const own = stored.get(value);
    // What came out of a convolution and its way back has the file's name.
    if (
      own?.label === 1 &&
      own.name !== value &&
      made.has(own.name) &&
      !outputs.has(own.name) &&
      !outputs.has(value) &&
      !renames.has(own.name) &&
      !made.has(value)
    )
      renames.set(own.name, value);
  }
  for (const [from, to] of renames) {
    const encoding = encodings.get(from);
    if (encoding !== undefined && !encodings.has(to)) encodings.set(to, encoding);
    encodings.delete(from);
  }
  const named = (name: string): string => renames.get(name) ?? name;
  const final = nodes.map((node) => ({
    ...node,
    name: named(node.name),
    inputs: node.inputs.map(named),
    outputs: node.outputs.map(named),
  }));
  const used = new Set([...final.flatMap((node) => node.inputs), ...ends.map((end) => end.name)]);
  const kept = constants.kept(used);
  const withConstants = final.map((node) => ({ ...node, inputs: node.inputs.map((name) => kept.names.get(name) ?? name) }));
  return { graph: { ...graph, inputs, outputs: ends, nodes: withConstants, constants: kept.tensors, types }, moved };
}

function turnedType(type: ValueType): ValueType {
  if (type.kind !== "tensor" || type.shape === undefined) return type;
  const { shape } = type;
  return tensorType(
    type.dtype,
    channelsFirst(shape.length).map((axis) => shape[axis] ?? "?"),
  );
}

function shapesOf(graph: Graph): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const add = (name: string, type: ValueType): void => {
    if (type.kind === "tensor" && type.shape?.every((d) => typeof d === "number"))
      shapes.set(name, type.shape as readonly number[]);
  };
  for (const [name, type] of graph.types) add(name, type);
  for (const { name, type } of graph.inputs) add(name, type);
  return shapes;
}
