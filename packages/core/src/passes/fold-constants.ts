import { isTesseraError } from "../base/error.ts";
import { isStatic } from "../graph/dim.ts";
import type { GraphDraft } from "../graph/draft.ts";
import { isInteger } from "../graph/dtype.ts";
import type { Graph, Node } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";
import { countOf, fromNumbers, type Tensor } from "../graph/tensor.ts";
import { capturedNames, subgraphs } from "../graph/walk.ts";
import { interpret } from "../interp/run.ts";
import { MAX_VALUE_ELEMENTS } from "../ops/shape-values.ts";
import { opRow } from "../ops/table.ts";
import { type Facts, graphPass, type Pass, type PassLog } from "./pass.ts";
import { dtypeOf, shapeOf, uniformValue } from "./values.ts";

/** Options of {@link foldConstants}. */
export interface FoldConstantsOptions {
  /** A node is not folded when its result is larger than this and larger than what it was made of. */
  readonly maxGrowthBytes?: number;
}

/** Defaults of {@link FoldConstantsOptions}. */
export const FOLD_CONSTANTS_DEFAULTS = { maxGrowthBytes: 64 * 1024 } as const;

/**
 * Computes nodes that depend on constants only with the reference interpreter, and what inference knows of shape chains
 * (Shape, Gather, Concat ...), even where only some sizes of a shape are known. Random operators, and
 * nodes whose result would blow up the file (ConstantOfShape, Expand, Tile ...), stay. Enters subgraphs.
 */
export function foldConstants(options: FoldConstantsOptions = {}): Pass {
  const maxGrowthBytes = options.maxGrowthBytes ?? FOLD_CONSTANTS_DEFAULTS.maxGrowthBytes;
  return graphPass(
    "fold-constants",
    "Computes what depends on constants only",
    (draft, log, facts) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current !== undefined && !foldKnownValue(draft, current, { log, facts }))
          foldNode(draft, current, log, maxGrowthBytes);
      }
    },
    { types: true },
  );
}

/** Values that inference follows through shape chains, even where only some sizes of the shape are known. */
function foldKnownValue(draft: GraphDraft, node: Node, at: { readonly log: PassLog; readonly facts: Facts }): boolean {
  const { log, facts } = at;
  const output = node.outputs[0] as string;
  if (node.outputs.length !== 1 || draft.isOutput(output) || opRow(node)?.deterministic === false) return false;
  const type = draft.type(output);
  const values = facts.dims(output) ?? zeroProduct(draft, node);
  if (!isStatic(values) || type?.kind !== "tensor" || !isStatic(type.shape) || countOf(type.shape) !== values.length)
    return false;
  if (!log.may("known-value", node)) return false;
  replaceByConstant(draft, node, [fromNumbers(type.dtype, type.shape, values)]);
  log.changed("known-value", node);
  return true;
}

/** Integers times zero are zero, whatever they are; floats are not, because of NaN, infinity and -0. */
function zeroProduct(draft: GraphDraft, node: Node): readonly number[] | undefined {
  const shape = shapeOf(draft, node.outputs[0]);
  const dtype = dtypeOf(draft, node.outputs[0]);
  if (!isOp(node, "Mul") || !isStatic(shape) || dtype === undefined || !isInteger(dtype) || countOf(shape) > MAX_VALUE_ELEMENTS)
    return undefined;
  const isZero = node.inputs.some((name) => uniformValue(draft, name) === 0);
  return isZero ? new Array<number>(countOf(shape)).fill(0) : undefined;
}

function foldNode(draft: GraphDraft, node: Node, log: PassLog, maxGrowthBytes: number): void {
  const row = opRow(node);
  if (row === undefined || row.deterministic === false || node.op === "DequantizeLinear" || node.op === "QuantizeLinear") return;
  if (node.outputs.some((name) => draft.isOutput(name))) return;
  const needed = new Set(
    [...node.inputs, ...subgraphs(node).flatMap((g) => [...capturedNames(g)])].filter((name) => name !== ""),
  );
  const constants = new Map<string, Tensor>();
  for (const name of needed) {
    const constant = draft.constant(name);
    if (constant === undefined) return;
    constants.set(name, constant);
  }
  if (!log.may("constant-node", node)) return;
  let results: readonly (Tensor | undefined)[];
  try {
    results = evaluate(node, constants);
  } catch (error) {
    // No kernel, or inputs that it refuses: the runtime will say so; folding is only an optimisation.
    if (!isTesseraError(error)) throw error;
    log.declined("constant-node", node, error.message);
    return;
  }
  const inputBytes = [...constants.values()].reduce((sum, t) => sum + t.bytes.length, 0);
  const outputBytes = results.reduce((sum, t) => sum + (t?.bytes.length ?? 0), 0);
  if (outputBytes > inputBytes + maxGrowthBytes) {
    log.declined("constant-node", node, `its result takes ${outputBytes} bytes, its inputs ${inputBytes}`);
    return;
  }
  replaceByConstant(draft, node, results);
  log.changed("constant-node", node, node.op);
}

function evaluate(node: Node, constants: ReadonlyMap<string, Tensor>): readonly (Tensor | undefined)[] {
  const outputs = node.outputs.filter((name) => name !== "");
  const graph: Graph = {
    name: "fold",
    inputs: [],
    outputs: outputs.map((name) => ({ name, type: { kind: "opaque", record: undefined } })),
    nodes: [node],
    constants,
    types: new Map(),
  };
  const values = interpret(graph, new Map());
  return node.outputs.map((name) => values.get(name));
}

function replaceByConstant(draft: GraphDraft, node: Node, results: readonly (Tensor | undefined)[]): void {
  draft.remove(node);
  node.outputs.forEach((name, i) => {
    const result = results[i];
    if (name === "" || result === undefined) return;
    draft.renameUses(name, draft.addConstant(`${name}_folded`, result));
  });
}
