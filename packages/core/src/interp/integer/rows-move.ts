import type { Node } from "../../graph/model.ts";
import { toIntegers } from "./border.ts";
import type { IntegerStep } from "./program.ts";
import { requantizeStep } from "./rows-elementwise.ts";
import { isNearest } from "./rows-reduce.ts";
import { type CompileRow, constantOf, type Grid, giveGrid, gridOf, operandOf, type Site, sameGrid, shapeOf } from "./site.ts";

/** Which inputs of an operator are data that moves, the others being indices and sizes. */
const MOVED_INPUTS: Readonly<Record<string, (node: Node) => readonly number[]>> = {
  Reshape: () => [0],
  Flatten: () => [0],
  Squeeze: () => [0],
  Unsqueeze: () => [0],
  Transpose: () => [0],
  Slice: () => [0],
  Split: () => [0],
  Gather: () => [0],
  GatherElements: () => [0],
  GatherND: () => [0],
  Expand: () => [0],
  Tile: () => [0],
  DepthToSpace: () => [0],
  SpaceToDepth: () => [0],
  Resize: () => [0],
  Pad: () => [0, 2],
  Concat: (node) => node.inputs.map((_, i) => i),
  Where: () => [1, 2],
};

/**
 * Operators that only move values: every data input is brought to the encoding of the output first, and then integers are moved by the float
 * operator's kernel. Padding without a value gets the zero point.
 */
export const moveRow: CompileRow = (site) => {
  const { at, node } = site;
  const which = Object.hasOwn(MOVED_INPUTS, node.op) ? MOVED_INPUTS[node.op]?.(node) : undefined;
  if (which === undefined || (node.op === "Resize" && !isNearest(site))) return undefined;
  const out = gridOf(at, site.output) ?? inherited(site, which);
  if (out === undefined || site.bounds !== undefined) return undefined;
  for (const name of node.outputs) {
    const grid = name === "" ? out : (gridOf(at, name) ?? out);
    if (!sameGrid(grid, out)) return undefined;
  }
  const steps: IntegerStep[] = [];
  const inputs = [...node.inputs];
  for (const i of which) {
    const name = inputs[i];
    if (name === undefined || name === "") continue;
    const moved = inputFor(site, { name, index: i }, out, steps);
    if (moved === undefined) return undefined;
    inputs[i] = moved;
  }
  for (const name of node.outputs) if (name !== "" && gridOf(at, name) === undefined) giveGrid(at, name, out);
  if (node.op === "Pad" && !inputs[2]) inputs[2] = zeroConstant(site, out);
  for (const [i, name] of inputs.entries()) if (!which.includes(i) && name !== "") keepConstant(site, name);
  const operator = { ...node, inputs };
  return [...steps, { kind: "move", node: node.name, inputs, outputs: node.outputs, operator }];
};

/** The encoding that outputs without one in the plan have when all that moves has the same; none for outputs of the graph, which stay float. */
function inherited(site: Site, which: readonly number[]): Grid | undefined {
  const { at, node } = site;
  if (node.outputs.some((name) => at.graph.outputs.some((output) => output.name === name))) return undefined;
  const grids = which.flatMap((i) => (node.inputs[i] ? [gridOf(at, node.inputs[i])] : []));
  const [first] = grids;
  return first !== undefined && grids.every((grid) => grid !== undefined && sameGrid(grid, first)) ? first : undefined;
}

function keepConstant(site: Site, name: string): void {
  const constant = constantOf(site.at, name);
  if (constant !== undefined) site.at.constants.set(name, constant);
}

/** The name of a data input in the output's encoding. */
function inputFor(
  site: Site,
  input: { readonly name: string; readonly index: number },
  out: Grid,
  steps: IntegerStep[],
): string | undefined {
  const { at, node } = site;
  const { name, index } = input;
  const constant = constantOf(at, name);
  const grid = constant === undefined ? gridOf(at, name) : undefined;
  const as = `${name} for ${node.name}.${index}`;
  if (constant !== undefined) {
    const known = gridOf(at, name);
    if (known !== undefined && sameGrid(known, out)) return operandOf(at, name)?.ref;
    at.constants.set(
      as,
      toIntegers(constant, { name, dtype: out.dtype, shape: constant.shape, scale: out.scale, zeroPoint: out.zeroPoint }, "even"),
    );
    return as;
  }
  if (grid === undefined) return undefined;
  if (sameGrid(grid, out)) return name;
  at.values.set(as, { name: as, dtype: out.dtype, shape: shapeOf(at, name), scale: out.scale, zeroPoint: out.zeroPoint });
  steps.push(requantizeStep(site, { input: name, output: as }, { input: grid, output: out }));
  return as;
}

/** The integer of the real 0, as a scalar constant. */
function zeroConstant(site: Site, out: Grid): string {
  const name = `zero for ${site.node.name}`;
  const shape: readonly number[] = [];
  const value = { name, dtype: out.dtype, shape, scale: out.scale, zeroPoint: out.zeroPoint };
  site.at.constants.set(name, toIntegers({ dtype: "float32", shape, bytes: new Uint8Array(4) }, value, "even"));
  return name;
}
