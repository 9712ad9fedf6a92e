import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";
import { i64 } from "../graph/tensor.ts";
import { graphPass, type Pass } from "./pass.ts";
import { constantInts, frontAxes, shapeOf } from "./values.ts";

/** One axis of a Slice. */
interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** The cuts of a Slice whose parameters are all constant; `undefined` otherwise. */
export function readCuts(draft: GraphDraft, node: Node): readonly Cut[] | undefined {
  const rank = shapeOf(draft, node.inputs[0])?.length;
  const starts = constantInts(draft, node.inputs[1]);
  const ends = constantInts(draft, node.inputs[2]);
  if (starts === undefined || ends === undefined) return undefined;
  const axes = node.inputs[3] ? constantInts(draft, node.inputs[3]) : starts.map((_, i) => i);
  const steps = node.inputs[4] ? constantInts(draft, node.inputs[4]) : starts.map(() => 1);
  if (axes === undefined || steps === undefined) return undefined;
  if (axes.some((a) => a < 0) && rank === undefined) return undefined;
  return frontAxes(axes, rank ?? 0).map((axis, i) => ({
    axis,
    start: starts[i] as number,
    end: ends[i] as number,
    step: steps[i] as number,
  }));
}

/** Ends from here on mean "to the end": no axis is that long. */
const TO_THE_END = 2 ** 31 - 1;

/** Whether a cut takes the whole axis, whatever its size may be. */
export function takesAll(cut: Cut, size: number | string | undefined): boolean {
  if (cut.step !== 1) return false;
  if (cut.start !== 0 && !(typeof size === "number" && cut.start <= -size)) return false;
  return cut.end >= TO_THE_END || (typeof size === "number" && cut.end >= size);
}

/**
 * Makes one Slice of two in a row that cut different axes, and leaves out axes that are taken whole. Declines where both cut the same axis. Enters subgraphs.
 */
export function mergeSlicesPass(): Pass {
  return graphPass(
    "merge-slices",
    "Makes one Slice of several in a row",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current === undefined || !isOp(current, "Slice")) continue;
        const all = readCuts(draft, current);
        if (all === undefined) continue;
        const shape = shapeOf(draft, current.inputs[0]);
        const cuts = all.filter((cut) => !takesAll(cut, shape?.[cut.axis]));
        const before = draft.producer(current.inputs[0] as string);
        const outer = before !== undefined && isOp(before, "Slice") ? readCuts(draft, before) : undefined;
        if (before !== undefined && outer !== undefined) {
          if (draft.onlyConsumer(current.inputs[0] as string)?.name !== current.name)
            log.declined("two-slices", node, "the first result has other readers");
          else if (cuts.some((cut) => outer.some((o) => o.axis === cut.axis)))
            log.declined("two-slices", node, "both cut the same axis");
          else if (log.may("two-slices", node)) {
            draft.remove(before);
            writeSlice(draft, { ...current, inputs: [before.inputs[0] as string] }, [...outer, ...cuts]);
            log.changed("two-slices", node, `with ${before.name}`);
            continue;
          }
        }
        // A Slice that takes everything is left to drop-noops.
        if (cuts.length === all.length || cuts.length === 0 || !log.may("whole-axes", node)) continue;
        writeSlice(draft, current, cuts);
        log.changed("whole-axes", node);
      }
    },
    { types: true },
  );
}

function writeSlice(draft: GraphDraft, node: Node, cuts: readonly Cut[]): void {
  const sorted = [...cuts].sort((a, b) => a.axis - b.axis);
  const list = (what: keyof Cut): string =>
    draft.addConstant(
      `${node.outputs[0]}_${what}`,
      i64(
        [sorted.length],
        sorted.map((cut) => cut[what]),
      ),
    );
  const inputs = [node.inputs[0] as string, list("start"), list("end"), list("axis")];
  if (sorted.some((cut) => cut.step !== 1)) inputs.push(list("step"));
  draft.replace(draft.current(node) as Node, { ...node, inputs });
}
