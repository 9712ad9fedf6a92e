import type { NodePrecision } from "../../graph/plan.ts";

/** Decisions that flipped among the comparisons nearest to the threshold. */
export interface FlipCount {
  readonly flips: number;
  readonly nearPairs: number;
}

/** Why a group has its precision. */
export interface ReasonOptions {
  /** What was chosen. */
  readonly precision: NodePrecision;
  /** Time that this choice costs against int8, as a share of the whole run; below zero it saves. */
  readonly timeShare?: number;
}

const NAMES = { int8: "int8", int16x8: "int16x8", float16: "fp16", float32: "float" } as const satisfies Record<
  NodePrecision,
  string
>;

/**
 * One line for a node of the plan: "float: flips 7 of 3,000 near-threshold pairs, costs 2 % time" for a group that was taken out of the integers, "int8:
 * alone it flips 1 of 3,000" for one that stays in them.
 */
export function reasonOf({ alone }: { readonly alone: FlipCount }, { precision, timeShare }: ReasonOptions): string {
  const name = NAMES[precision];
  const flips = count(alone.flips);
  const pairs = count(alone.nearPairs);
  if (precision === "int8") return `${name}: alone it flips ${flips} of ${pairs}`;
  return `${name}: flips ${flips} of ${pairs} near-threshold pairs${timeShare === undefined ? "" : `, ${timeOf(timeShare)}`}`;
}

function timeOf(share: number): string {
  const percent = Math.abs(share) * 100;
  if (percent < 0.05) return "costs no time";
  return `${share < 0 ? "saves" : "costs"} ${percent < 1 ? percent.toFixed(1) : percent.toFixed(0)} % time`;
}

/** A whole number with commas between thousands. */
function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
