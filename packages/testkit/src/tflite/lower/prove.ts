import { legaliseModel } from "@tessera/core/convert/tflite/legalise/legalise";
import type { LegaliseOptions } from "@tessera/core/convert/tflite/legalise/row";
import { type Model, type TensorType, tensorType } from "@tessera/core/graph/model";
import { makeNode, type NodeOptions } from "@tessera/core/graph/node";
import type { Tensor } from "@tessera/core/graph/tensor";
import { verifyModel } from "@tessera/core/graph/verify";
import { interpret } from "@tessera/core/interp/run";
import { inferGraph } from "@tessera/core/ops/infer";
import { describeTensor, difference, type Tolerance } from "../../compare-tensors.ts";

/** One operator applied to given tensors. */
export interface LowerCase {
  readonly op: string;
  readonly attributes?: NodeOptions["attributes"];
  /** By position; `undefined` for an absent optional input. */
  readonly inputs: readonly (Tensor | undefined)[];
  /** Positions of the inputs that are stored in the model; the others are fed. */
  readonly constant?: readonly number[];
  /** Names of the outputs by position, "" for one that is not wanted. One output unless given. */
  readonly outputs?: readonly string[];
}

/** The case in one line for each input, for messages. */
export function describeLowerCase(c: LowerCase): string {
  const attrs = c.attributes instanceof Map ? [...c.attributes] : Object.entries(c.attributes ?? {});
  const given = c.inputs.map((t, i) => `${c.constant?.includes(i) ? "constant " : ""}${t ? describeTensor(t) : "absent"}`);
  return `${c.op}(\n  ${given.join(",\n  ")}\n) ${JSON.stringify(attrs)} -> ${c.outputs ?? "y0"}`;
}

/** A model of one node. */
export function caseModel(c: LowerCase): Model {
  const constants = new Map<string, Tensor>();
  const inputs: { name: string; type: TensorType }[] = [];
  c.inputs.forEach((t, i) => {
    if (t === undefined) return;
    if (c.constant?.includes(i)) constants.set(`x${i}`, t);
    else inputs.push({ name: `x${i}`, type: tensorType(t.dtype, t.shape) });
  });
  const names = c.inputs.map((t, i) => (t === undefined ? "" : `x${i}`));
  const options: NodeOptions = c.attributes === undefined ? {} : { attributes: c.attributes };
  const node = makeNode(c.op, { inputs: names, outputs: c.outputs ?? ["y0"] }, { name: "node", ...options });
  const graph = { name: "one", inputs, outputs: [], nodes: [node], constants, types: new Map() };
  const { types, problems } = inferGraph(graph);
  if (problems[0] !== undefined) throw problems[0].error;
  const outputs = node.outputs.flatMap((name) => {
    const type = types.get(name);
    return name === "" || type === undefined ? [] : [{ name, type }];
  });
  return {
    kind: "model",
    graph: { ...graph, outputs },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "testkit", version: "0" },
  };
}

/** What the case feeds. */
export function caseFeeds(c: LowerCase): Map<string, Tensor> {
  const feeds = new Map<string, Tensor>();
  c.inputs.forEach((t, i) => {
    if (t !== undefined && !c.constant?.includes(i)) feeds.set(`x${i}`, t);
  });
  return feeds;
}

/** What two sets of outputs differ in beyond a tolerance, in words. */
export function outputDifference(
  got: ReadonlyMap<string, Tensor>,
  want: ReadonlyMap<string, Tensor>,
  tolerance: Tolerance,
): string | undefined {
  for (const [name, wanted] of want) {
    const own = got.get(name);
    const why = own === undefined ? "missing" : difference(own, wanted, tolerance);
    if (why !== undefined) return `${name}: ${why}\n  after  ${own && describeTensor(own)}\n  before ${describeTensor(wanted)}`;
  }
  return undefined;
}

/** Options of {@link proveLegal}. */
export interface ProveOptions extends LegaliseOptions {
  readonly tolerance?: Tolerance;
  /** Operators that must be gone. The operator of the case unless given. */
  readonly gone?: readonly string[];
}

/**
 * Rewrites a case and runs it before and after in the reference interpreter.
 *
 * @returns the rewritten model
 * @throws an Error that shows the case and what differs, or why it was refused
 */
export function proveLegal(c: LowerCase, options: ProveOptions = {}): Model {
  const model = caseModel(c);
  const { model: after, refused } = legaliseModel(model, options);
  if (refused[0] !== undefined) throw new Error(`${describeLowerCase(c)}\nrefused: ${refused[0].why}`);
  verifyModel(after);
  for (const op of options.gone ?? [c.op])
    if (after.graph.nodes.some((n) => n.op === op)) throw new Error(`${describeLowerCase(c)}\n${op} is still there`);
  const feeds = caseFeeds(c);
  const why = outputDifference(interpret(after.graph, feeds), interpret(model.graph, feeds), options.tolerance ?? {});
  if (why !== undefined) throw new Error(`${describeLowerCase(c)}\n${why}`);
  return after;
}
