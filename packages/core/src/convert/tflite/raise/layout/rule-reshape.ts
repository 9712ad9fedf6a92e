import type { Node } from "../../../../graph/model.ts";
import { attrInt, isOp } from "../../../../graph/node.ts";
import { countOf, reshaped } from "../../../../graph/tensor.ts";
import { channelsFirst, permuted } from "../permute.ts";
import type { Label, LayoutEdit, LayoutSite } from "./rule.ts";
import { ELEMENTWISE, follows, ints, isSame, LEAST_RANK, type RuleOf, same } from "./rule-parts.ts";

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

/**
 * Reshape: free where what moves is of size 1; in the other layout where batch and channels stay; a flattening before products hands its order on to
 * their weights; everything else is in the file's layout.
 */
export const reshapeRule: RuleOf = (site) => {
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
