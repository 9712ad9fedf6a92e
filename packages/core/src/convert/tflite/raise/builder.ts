import { fail, placed } from "../../../base/error.ts";
import type { Graph, Node, TensorType, ValueType } from "../../../graph/model.ts";
import { tensorType } from "../../../graph/model.ts";
import { makeNode, type NodeOptions } from "../../../graph/node.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { countOf, fromNumbers, i64, sameTensor, type Tensor } from "../../../graph/tensor.ts";
import { inferGraph } from "../../../ops/infer.ts";
import { makeNameBook, type NameBook } from "../../onnx/names.ts";
import { MAX_RANK } from "./source-tensor.ts";

/** Attributes of a node to be made. */
export type EmitAttributes = Exclude<NodeOptions["attributes"], undefined>;

/** Options of {@link GraphBuilder.emit}. */
export interface EmitOptions {
  readonly attributes?: EmitAttributes;
  /** What the value is called after. */
  readonly hint?: string;
  readonly domain?: string;
  /** Text that is carried with the node. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** Type of the output where no row of the operator table tells. */
  readonly type?: ValueType;
}

/**
 * A graph under construction, still in the file's layout. Each node is inferred as it is made, from inputs and constants alone, so that the sizes
 * which paddings and targets depend on are the real ones.
 */
export interface GraphBuilder {
  readonly names: NameBook;
  readonly encodings: Map<string, Encoding>;
  readonly notes: string[];
  /** Constants that were brought into another form, by what they were and how: weights that several operators read are there once. */
  readonly parameters: Map<string, string>;
  /** What values are called after that nobody names: the output of the operator that is being raised. */
  owner: string;
  addInput(name: string, type: TensorType): void;
  /** Adds a node and gives the name of its output. @throws SHAPE_MISMATCH and others where its inputs do not fit */
  emit(op: string, inputs: readonly string[], options?: EmitOptions): string;
  /** The same for a node of several outputs. */
  emitMany(op: string, inputs: readonly string[], options: EmitOptions & { readonly outputs: number }): readonly string[];
  /** A constant under a name like `hint`; the same small tensor is there once. */
  constant(hint: string, tensor: Tensor): string;
  /** A constant list of int64. */
  list(values: readonly number[]): string;
  type(name: string): TensorType;
  /** Sizes; all are known. @throws SHAPE_MISMATCH where they are not */
  shape(name: string): readonly number[];
  /** The tensor behind a name, when it is a constant or a small integer value that follows from shapes. */
  known(name: string): Tensor | undefined;
  isConstant(name: string): boolean;
  /** Number of nodes so far. */
  readonly size: number;
  /** Gives a value made by node `from` or later another name, everywhere. False when no such node makes it. */
  rename(value: string, name: string, from: number): boolean;
  /** Values made by node `from` and those after it. */
  madeSince(from: number): readonly string[];
  finish(name: string, outputs: readonly string[]): Graph;
}

/** Constants up to this many elements are compared with those that are there. */
const SHARED_ELEMENTS = 16;

/** An empty graph. */
export function graphBuilder(): GraphBuilder {
  const names = makeNameBook();
  const encodings = new Map<string, Encoding>();
  const notes: string[] = [];
  const inputs: { readonly name: string; readonly type: TensorType }[] = [];
  const nodes: Node[] = [];
  const constants = new Map<string, Tensor>();
  const shared = new Map<string, string>();
  const types = new Map<string, ValueType>();
  const values = new Map<string, Tensor>();

  function known(name: string): Tensor | undefined {
    return constants.get(name) ?? values.get(name);
  }

  function infer(node: Node, fallback: ValueType | undefined): void {
    const used = [...new Set(node.inputs.filter((input) => input !== ""))];
    const given = new Map<string, Tensor>();
    for (const name of used) {
      const tensor = known(name);
      if (tensor !== undefined) given.set(name, tensor);
    }
    const opaque: ValueType = { kind: "opaque", record: undefined };
    const result = inferGraph({
      name: "",
      inputs: used.filter((name) => !given.has(name)).map((name) => ({ name, type: types.get(name) ?? opaque })),
      outputs: [],
      nodes: [node],
      constants: given,
      types: fallback === undefined ? new Map() : new Map([[node.outputs[0] as string, fallback]]),
    });
    const [problem] = result.problems;
    if (problem !== undefined) throw placed(problem.error, { node: node.name });
    for (const output of node.outputs) {
      const type = result.types.get(output) ?? opaque;
      if (type.kind === "tensor" && (type.shape?.length ?? 0) > MAX_RANK)
        throw fail("LIMIT_EXCEEDED", `Cannot go on to ${output}: it would have more than ${MAX_RANK} axes`, {
          at: { node: node.name },
        });
      types.set(output, type);
      const dims = result.values.get(output);
      if (
        type.kind !== "tensor" ||
        !type.dtype.startsWith("int") ||
        dims === undefined ||
        !dims.every((d) => typeof d === "number")
      )
        continue;
      if (type.shape?.every((d) => typeof d === "number") && countOf(type.shape as readonly number[]) === dims.length)
        values.set(output, fromNumbers(type.dtype, type.shape as readonly number[], dims as readonly number[]));
    }
  }

  function push(node: Node, fallback: ValueType | undefined): void {
    infer(node, fallback);
    nodes.push(node);
  }

  function typeOf(name: string): TensorType {
    const constant = constants.get(name);
    if (constant !== undefined) return tensorType(constant.dtype, constant.shape);
    const type = types.get(name);
    if (type?.kind !== "tensor")
      throw fail("SHAPE_MISMATCH", `Cannot go on from ${name}: its type does not follow from the inputs`, {
        at: { tensor: name },
      });
    return type;
  }

  function constant(hint: string, tensor: Tensor): string {
    const key =
      countOf(tensor.shape) <= SHARED_ELEMENTS ? `${tensor.dtype}[${tensor.shape}]${tensor.bytes.join()}|${hint}` : undefined;
    const there = key === undefined ? undefined : shared.get(key);
    if (there !== undefined && sameTensor(constants.get(there) as Tensor, tensor)) return there;
    const name = names.fresh(hint);
    constants.set(name, tensor);
    if (key !== undefined) shared.set(key, name);
    return name;
  }

  return {
    names,
    encodings,
    notes,
    parameters: new Map(),
    owner: "",
    addInput(name, type) {
      inputs.push({ name, type });
      types.set(name, type);
    },
    emit(op, from, options = {}) {
      return this.emitMany(op, from, { ...options, outputs: 1 })[0] as string;
    },
    emitMany(op, from, options) {
      const outputs = Array.from({ length: options.outputs }, () => names.fresh(options.hint ?? `${this.owner}/${op}`));
      const { attributes, domain, metadata } = options;
      const node = makeNode(
        op,
        { inputs: from, outputs },
        { ...(attributes === undefined ? {} : { attributes }), ...(domain === undefined ? {} : { domain }) },
      );
      push(metadata === undefined ? node : { ...node, metadata }, options.type);
      return outputs;
    },
    constant,
    list: (list) => constant("list", i64([list.length], list)),
    type: typeOf,
    shape(name) {
      const { shape } = typeOf(name);
      if (shape === undefined || !shape.every((d) => typeof d === "number")) {
        throw fail("SHAPE_MISMATCH", `Cannot go on from ${name}: its sizes [${shape ?? "?"}] are not known before it runs`, {
          at: { tensor: name },
        });
      }
      return shape as readonly number[];
    },
    known,
    isConstant: (name) => constants.has(name),
    get size() {
      return nodes.length;
    },
    rename(value, name, from) {
      const maker = nodes.slice(from).findIndex((node) => node.outputs.includes(value));
      if (maker < 0) return false;
      for (let i = from; i < nodes.length; i++) {
        const node = nodes[i] as Node;
        const swap = (old: string): string => (old === value ? name : old);
        nodes[i] = { ...node, inputs: node.inputs.map(swap), outputs: node.outputs.map(swap) };
      }
      for (const map of [types, values, encodings] as Map<string, unknown>[]) {
        const entry = map.get(value);
        map.delete(value);
        if (entry !== undefined) map.set(name, entry);
      }
      return true;
    },
    madeSince: (from) => nodes.slice(from).flatMap((node) => node.outputs),
    finish(name, outputs) {
      const taken = new Set<string>();
      const named = nodes.map((node): Node => {
        let own = node.outputs[0] as string;
        for (let i = 1; taken.has(own); i++) own = `${node.outputs[0]}_${i}`;
        taken.add(own);
        return { ...node, name: own };
      });
      return {
        name,
        inputs,
        outputs: outputs.map((output) => ({ name: output, type: types.get(output) ?? typeOf(output) })),
        nodes: named,
        constants,
        types: new Map([...types].filter(([value]) => !inputs.some((i) => i.name === value))),
      };
    },
  };
}
