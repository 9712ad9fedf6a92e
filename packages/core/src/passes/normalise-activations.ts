import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";
import { fromNumbers } from "../graph/tensor.ts";
import { graphPass, type Pass } from "./pass.ts";
import { dtypeOf, isOneOf, shapeOf, uniformValue } from "./values.ts";

/** A value kept between two bounds: min(high, max(low, x)). */
interface Bounded {
  readonly input: string;
  readonly low: number;
  readonly high: number;
}

/** What a node bounds; `undefined` where it does something else or its bounds are not constants of one value. */
function readBounds(draft: GraphDraft, node: Node): Bounded | undefined {
  const input = node.inputs[0] as string;
  if (isOp(node, "Relu")) return { input, low: 0, high: Number.POSITIVE_INFINITY };
  if (isOp(node, "Clip")) {
    const low = node.inputs[1] ? uniformValue(draft, node.inputs[1]) : Number.NEGATIVE_INFINITY;
    const high = node.inputs[2] ? uniformValue(draft, node.inputs[2]) : Number.POSITIVE_INFINITY;
    // Clip with low > high gives high in some runtimes only.
    return low === undefined || high === undefined || !(low <= high) ? undefined : { input, low, high };
  }
  if (!isOneOf(node, ["Min", "Max"]) || node.inputs.length !== 2) return undefined;
  for (const side of [0, 1] as const) {
    const bound = uniformValue(draft, node.inputs[side]);
    const other = node.inputs[1 - side] as string;
    const size = draft.constant(node.inputs[side] as string)?.shape;
    if (bound === undefined || size === undefined || Number.isNaN(bound) || draft.constant(other) !== undefined) continue;
    const rank = shapeOf(draft, other)?.length;
    // One value that does not widen the other operand.
    if (size.some((n) => n !== 1) || (size.length > 0 && (rank === undefined || rank < size.length))) continue;
    return node.op === "Max"
      ? { input: other, low: bound, high: Number.POSITIVE_INFINITY }
      : { input: other, low: Number.NEGATIVE_INFINITY, high: bound };
  }
  return undefined;
}

/** The largest finite float32: exporters write "no bound" so. */
const FLOAT_MAX = 3.4028234663852886e38;

/**
 * Writes bounds in one way: Relu for max(x, 0), Clip for everything else; one node for several in a row. Only float32, where 0, infinity and the bounds are
 * what they seem. Declines where the inner result has other readers. Enters subgraphs.
 */
export function normaliseActivationsPass(): Pass {
  return graphPass(
    "normalise-activations",
    "Writes Relu, Clip, Min and Max in one way, and one for several in a row",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        const outer = current === undefined ? undefined : readBounds(draft, current);
        if (current === undefined || outer === undefined || dtypeOf(draft, outer.input) !== "float32") continue;
        const before = draft.producer(outer.input);
        const inner = before === undefined ? undefined : readBounds(draft, before);
        let bounds = outer;
        let rule = "one-bound";
        if (before !== undefined && inner !== undefined) {
          if (draft.onlyConsumer(outer.input)?.name !== current.name)
            log.declined("two-bounds", node, "the inner result has other readers");
          else {
            const keep = (v: number): number => Math.min(outer.high, Math.max(outer.low, v));
            bounds = { input: inner.input, low: keep(inner.low), high: keep(inner.high) };
            rule = "two-bounds";
          }
        }
        const low = bounds.low <= -FLOAT_MAX ? Number.NEGATIVE_INFINITY : bounds.low;
        const high = bounds.high >= FLOAT_MAX ? Number.POSITIVE_INFINITY : bounds.high;
        const isRelu = low === 0 && high === Number.POSITIVE_INFINITY;
        if (rule === "one-bound" && isRelu === (current.op === "Relu") && isWrittenAs(current, { low, high })) continue;
        if (!log.may(rule, node)) continue;
        if (rule === "two-bounds") draft.remove(before as Node);
        writeBounds(draft, current, { input: bounds.input, low, high });
        log.changed(rule, node, isRelu ? "Relu" : `[${low}, ${high}]`);
      }
    },
    { types: true },
  );
}

/** Whether a node has the operator and the inputs that {@link writeBounds} would give it. */
function isWrittenAs(node: Node, bounds: { readonly low: number; readonly high: number }): boolean {
  if (node.op === "Relu") return true;
  const has = (i: number): boolean => (node.inputs[i] ?? "") !== "";
  return (
    node.op === "Clip" &&
    has(1) === (bounds.low !== Number.NEGATIVE_INFINITY) &&
    has(2) === (bounds.high !== Number.POSITIVE_INFINITY)
  );
}

function writeBounds(draft: GraphDraft, node: Node, bounds: Bounded): void {
  const { input, low, high } = bounds;
  const base = { ...node, attributes: new Map() };
  if (low === 0 && high === Number.POSITIVE_INFINITY) {
    draft.replace(node, { ...base, op: "Relu", inputs: [input] });
    return;
  }
  const bound = (value: number, what: string): string =>
    Number.isFinite(value) ? draft.addConstant(`${node.outputs[0]}_${what}`, fromNumbers("float32", [], [value])) : "";
  const inputs = [input, bound(low, "low"), bound(high, "high")];
  while (inputs.at(-1) === "") inputs.pop();
  draft.replace(node, { ...base, op: "Clip", inputs });
}
