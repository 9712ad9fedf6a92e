import { sha256Hex } from "../../base/sha256.ts";
import type { WeightMethod } from "../encoding.ts";
import { EQUALIZE_DEFAULTS, type EqualizeOptions } from "../equalize.ts";
import type { RangeChoice, RangeMethod } from "../range.ts";
import { canonicalJson } from "./canonical-json.ts";

/** How channels are brought to one range before they are quantized; `false`: not at all. */
export type EqualizeChoice = Required<EqualizeOptions> | false;

/**
 * A way to quantize a network: plain data that says everything about a plan, given the network, the target and what calibration saw. The search walks
 * from point to point; its journal holds them as JSON.
 */
export interface SearchPoint {
  /** How ranges of activations are chosen where `ranges` says nothing. */
  readonly method: RangeMethod;
  /** For the method "percentile". */
  readonly percentile?: number;
  /** Choices for single tensors, by name. */
  readonly ranges: Readonly<Record<string, RangeChoice>>;
  readonly equalize: EqualizeChoice;
  /** How scales of weights are found. */
  readonly weights: WeightMethod;
  readonly weightBits: 8 | 4;
  /** How weights are rounded onto their grid: each to the nearest, or so that the outputs seen in calibration change least. */
  readonly rounding: "nearest" | "second-order";
  /** Biases take up what quantization moves the mean of each channel by. */
  readonly correctBias: boolean;
  /** Nodes that do not compute in the target's integers, by name. */
  readonly keep: Readonly<Record<string, "float32">>;
}

/** Where a search starts: the choices that `quantize` makes unasked. */
export const POINT_DEFAULTS = {
  method: "mse",
  ranges: {},
  equalize: { ...EQUALIZE_DEFAULTS },
  weights: "max",
  weightBits: 8,
  rounding: "nearest",
  correctBias: false,
  keep: {},
} as const satisfies SearchPoint;

/** The name of a point in a journal: sha-256 over its canonical JSON. What it was judged on stands in the journal's header. */
export function pointKey(point: SearchPoint): string {
  return sha256Hex(canonicalJson(point));
}

/** A record with one entry more; names come from files, and `__proto__` is one like any other. */
export function withEntry<T>(record: Readonly<Record<string, T>>, name: string, value: T): Readonly<Record<string, T>> {
  return Object.fromEntries([...Object.entries(record), [name, value]]);
}

/** The point with further nodes in float. */
export function keepingFloat(point: SearchPoint, nodes: readonly string[]): SearchPoint {
  const added = nodes.map((name) => [name, "float32"] as const);
  return { ...point, keep: Object.fromEntries([...Object.entries(point.keep), ...added]) };
}

/** A point in a few words, for tables and progress: "mse ranges, equalized, 2 nodes in float". */
export function describePoint(point: SearchPoint): string {
  const ranges = Object.keys(point.ranges).length;
  const kept = Object.keys(point.keep).length;
  return [
    point.method === "percentile" ? `percentile ${point.percentile ?? 99.999} ranges` : `${point.method} ranges`,
    point.equalize === false ? "not equalized" : "equalized",
    ...(point.weightBits === 4 ? ["4-bit weights"] : []),
    ...(point.weights === "mse" ? ["weight scales of least error"] : []),
    ...(ranges === 0 ? [] : [`${ranges} ranges of their own`]),
    ...(point.rounding === "nearest" ? [] : ["weights rounded by their inputs"]),
    ...(point.correctBias ? ["biases corrected"] : []),
    ...(kept === 0 ? [] : [`${kept} nodes in float`]),
  ].join(", ");
}
