import { isStatic } from "../../../graph/dim.ts";
import type { GraphDraft } from "../../../graph/draft.ts";
import type { DType } from "../../../graph/dtype.ts";
import type { Node } from "../../../graph/model.ts";
import { makeNode } from "../../../graph/node.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { fromNumbers, i64, type Tensor, toInts } from "../../../graph/tensor.ts";
import type { InferResult } from "../../../ops/infer.ts";
import type { LegaliseOptions, LegaliseSite } from "./row.ts";

/** Thrown where a rewrite needs a size that is not a number. */
export class NotStatic extends Error {
  constructor(name: string, shape: readonly unknown[] | undefined) {
    super(`the sizes of ${name} are not all known: [${shape ?? "?"}]`);
    this.name = "NotStatic";
  }
}

/** What the sites of one round share. */
export interface Round {
  readonly draft: GraphDraft;
  readonly inferred: InferResult;
  readonly options: Required<LegaliseOptions>;
  /** Encodings by value; rewrites add to it. */
  readonly encodings: Map<string, Encoding>;
}

/** The site of one node. Nodes are collected and put into the draft when the rewrite is finished: a row that gives up half way leaves nothing. */
export function siteOf(round: Round, node: Node): LegaliseSite {
  const { draft, inferred, options, encodings } = round;
  const made: Node[] = [];
  const constants = new Map<string, Tensor>();
  const scalars = new Map<string, string>();
  const aliases: [made: string, like: string, axis: number | undefined][] = [];
  const prefix = node.outputs.find((name) => name !== "") ?? node.name;
  const typeOf = (name: string): { readonly dtype: DType; readonly shape: readonly number[] } => {
    const constant = constants.get(name) ?? draft.constant(name);
    if (constant !== undefined) return constant;
    const type = inferred.types.get(name);
    if (type?.kind !== "tensor" || !isStatic(type.shape))
      throw new NotStatic(name, type?.kind === "tensor" ? type.shape : undefined);
    return { dtype: type.dtype, shape: type.shape };
  };
  const addConstant = (hint: string, value: Tensor): string => {
    const name = draft.freshName(`${prefix}/${hint}`);
    constants.set(name, value);
    return name;
  };
  const ops: LegaliseSite["ops"] = (op, inputs, { count, attributes }) => {
    const outputs = Array.from({ length: count }, () => draft.freshName(`${prefix}/${op}`));
    made.push(makeNode(op, { inputs, outputs }, attributes === undefined ? {} : { attributes }));
    return outputs;
  };
  return {
    node,
    options,
    input: (index) => node.inputs[index] ?? "",
    isUsed: (index) => {
      const name = node.outputs[index] ?? "";
      return name !== "" && (draft.isOutput(name) || draft.consumers(name).length > 0);
    },
    shape: (name) => typeOf(name).shape,
    dtype: (name) => typeOf(name).dtype,
    constant: (name) => constants.get(name) ?? draft.constant(name),
    ints: (name) => {
      const constant = draft.constant(name);
      if (constant !== undefined) return toInts(constant);
      const values = inferred.values.get(name);
      return values?.every((v) => typeof v === "number") ? (values as readonly number[]) : undefined;
    },
    soleReader: (index) => draft.onlyConsumer(node.outputs[index] ?? ""),
    soleProducer: (name) => (draft.onlyConsumer(name)?.name === node.name ? draft.producer(name) : undefined),
    scalar: (value, dtype) => {
      const type = dtype ?? typeOf(node.inputs[0] as string).dtype;
      const key = `${type}:${value}`;
      const known = scalars.get(key);
      if (known !== undefined) return known;
      const name = addConstant("constant", fromNumbers(type, [], [value]));
      scalars.set(key, name);
      return name;
    },
    tensor: addConstant,
    list: (hint, values) => addConstant(hint, i64([values.length], values)),
    op: (op, inputs, attributes) =>
      ops(op, inputs, attributes === undefined ? { count: 1 } : { count: 1, attributes })[0] as string,
    ops,
    sameNumbers: (name, like, axis) => {
      aliases.push([name, like, axis]);
    },
    isEncoded: (name) => encodings.has(name),
    finish: (...values) => {
      const names = new Map<string, string>();
      node.outputs.forEach((output, i) => {
        const value = values[i];
        if (output === "" || value === undefined) return;
        const isMade = made.some((n) => n.outputs.includes(value));
        if (isMade && !names.has(value)) names.set(value, output);
        else made.push(makeNode("Identity", { inputs: [value], outputs: [output] }));
      });
      const renamed = (name: string): string => names.get(name) ?? name;
      const nodes = made.map((n) => ({ ...n, inputs: n.inputs.map(renamed), outputs: n.outputs.map(renamed) }));
      const last = nodes.findIndex((n) => n.outputs.includes(node.outputs.find((name) => name !== "") as string));
      for (const [name, tensor] of constants) draft.setConstant(name, tensor);
      draft.remove(node);
      nodes.forEach((n, i) => {
        draft.add(i === last ? { ...n, name: node.name } : { ...n, name: draft.freshName(n.outputs[0] as string) }, node);
      });
      for (const [name, like, axis] of aliases) {
        const encoding = encodings.get(like);
        if (encoding === undefined) continue;
        encodings.set(renamed(name), encoding.axis === undefined || axis === undefined ? encoding : { ...encoding, axis });
      }
      return "done";
    },
    cannot: (why, rewrite) => ({ kind: "cannot", why, rewrite }),
  };
}
