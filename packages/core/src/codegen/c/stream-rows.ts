import { fail } from "../../base/error.ts";
import type { StreamStage } from "../device/schedule.ts";
import { blockAt, constantOf, type EmitContext, type StepCode, scratchAt, valueAt } from "./context.ts";
import { type BroadcastStep, broadcastLines, isBroadcast, rowPart, tableLine } from "./elementwise.ts";
import { asPointwise, matrixOf, pointwiseCall, pointwiseParameters } from "./layers.ts";
import { ringPitch } from "./windows.ts";

/** The place of real row `row` in the ring of a stage, behind the columns of padding. */
export function ringPlace(context: EmitContext, stage: StreamStage | undefined, row: string): string {
  const ring = stage?.ring;
  if (ring === undefined) throw fail("PLAN_INVALID", "Cannot write C: the schedule sends rows to a ring that is not there");
  const left = ring.left * ring.channels;
  if (ring.rows === 1) return blockAt(context, ring.block, left);
  const count = ring.top === 0 ? row : `(${row} + ${ring.top})`;
  return `${blockAt(context, ring.block, left)} + (${count} % ${ring.rows}) * ${ringPitch(ring)}`;
}

/** The place of row `row` in the queue of a stage. */
export function queuePlace(context: EmitContext, stage: StreamStage | undefined, row: string): string {
  const queue = stage?.queue;
  if (queue === undefined) throw fail("PLAN_INVALID", "Cannot write C: the schedule sends rows to a queue that is not there");
  return `${blockAt(context, queue.block)} + (${row} % ${queue.rows}) * ${queue.rowBytes}`;
}

/** One row of a stage without a window; `row` is its row of input and `r` its number. */
export function plainRow(context: EmitContext, stage: StreamStage): StepCode {
  const { step } = stage;
  const y = ["int8_t *y", ""] as const;
  const pointwise = asPointwise(step);
  if (pointwise !== undefined) {
    const pixels = matrixOf(pointwise).pixels / stage.inRows;
    const parameters = pointwiseParameters(context, pointwise, scratchAt(context, stage.scratch));
    return {
      word: "row",
      parameters: [["const int8_t *x", "row"], ...parameters, y],
      body: [pointwiseCall(context, pointwise, { x: "x", pixels, y: "y" })],
    };
  }
  if (step.kind === "table")
    return {
      word: "row",
      parameters: [["const int8_t *x0", "row"], ["const int8_t *table", context.pool.add("tables", step.table)], y],
      body: [tableLine(context, step, stage.inRowBytes)],
    };
  if (isBroadcast(step)) return broadcastRow(context, stage, step);
  throw fail("UNSUPPORTED_OP", `Cannot write C for a ${step.kind} in a stream`, { at: { node: step.node } });
}

function broadcastRow(context: EmitContext, stage: StreamStage, step: BroadcastStep): StepCode {
  const part = rowPart(step, stage.inRows);
  if (part === undefined)
    throw fail("PLAN_INVALID", `Cannot write C: ${stage.inRows} rows do not divide [${step.sizes}]`, { at: { node: step.node } });
  const operand = (at: 0 | 1): string => {
    if (at === stage.operand) return "row";
    const name = step.inputs[at] as string;
    if (stage.queue?.operand === at) return queuePlace(context, stage, "r");
    const stride = part.rowStrides[at];
    if (constantOf(context, name) !== undefined || stage.beside.length > 0)
      return stride === 0 ? valueAt(context, name) : `${valueAt(context, name)} + r * ${stride}`;
    // Both operands are the row that comes.
    return "row";
  };
  return {
    word: "row",
    parameters: [
      ["const int8_t *x0", operand(0)],
      ["const int8_t *x1", operand(1)],
      ["int8_t *y", ""],
    ],
    body: broadcastLines(context, step, part),
  };
}
