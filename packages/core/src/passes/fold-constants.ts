import { isTesseraError } from "../base/error.ts";
import { isStatic } from "../graph/dim.ts";
import type { GraphDraft } from "../graph/draft.ts";
import type { Graph, Node } from "../graph/model.ts";
import { countOf, i64, type Tensor } from "../graph/tensor.ts";
import { capturedNames, subgraphs } from "../graph/walk.ts";
import { interpret } from "../interp/run.ts";
import { opRow } from "../ops/table.ts";
import { graphPass, type Pass, type PassLog } from "./pass.ts";

/** Options of {@link foldConstants}. */
export interface FoldConstantsOptions {
  /** A node is not folded when its result is larger than this and larger than what it was made of. */
  readonly maxGrowthBytes?: number;
}

/** Defaults of {@link FoldConstantsOptions}. */
export const FOLD_CONSTANTS_DEFAULTS = { maxGrowthBytes: 64 * 1024 } as const;

/**
 * Computes nodes that depend on constants only with the reference interpreter, and Shape and Size of values whose sizes are known. Random operators, and
 * nodes whose result would blow up the file (ConstantOfShape, Expand, Tile ...), stay. Enters subgraphs.
 */
export function foldConstants(options: FoldConstantsOptions = {}): Pass {
  const maxGrowthBytes = options.maxGrowthBytes ?? FOLD_CONSTANTS_DEFAULTS.maxGrowthBytes;
  return graphPass(
    "fold-constants",
    "Computes what depends on constants only",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current !== undefined && !foldShape(draft, current, log)) foldNode(draft, current, log, maxGrowthBytes);
      }
    },
    { types: true },
  );
}

function foldShape(draft: GraphDraft, node: Node, log: PassLog): boolean {
  if (node.domain !== "" || (node.op !== "Shape" && node.op !== "Size")) return false;
  const type = draft.type(node.inputs[0] as string);
  if (type?.kind !== "tensor" || type.shape === undefined) return false;
  const rank = type.shape.length;
  const bound = (name: string, fallback: number): number => {
    const attribute = node.attributes.get(name);
    const value = attribute?.kind === "int" ? Number(attribute.value) : fallback;
    return Math.max(0, Math.min(rank, value < 0 ? value + rank : value));
  };
  const shape = node.op === "Shape" ? type.shape.slice(bound("start", 0), bound("end", rank)) : type.shape;
  if (!isStatic(shape) || draft.isOutput(node.outputs[0] as string) || !log.may("known-shape", node)) return false;
  replaceByConstant(draft, node, [node.op === "Shape" ? i64([shape.length], shape) : i64([], [countOf(shape)])]);
  log.changed("known-shape", node);
  return true;
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
