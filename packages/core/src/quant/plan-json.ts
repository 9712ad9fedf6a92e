import { fail } from "../base/error.ts";
import type { CalibrationEvidence, Encoding, NodeChoice, QuantDType, QuantPlan } from "../graph/plan.ts";
import { LEVELS } from "../graph/quantize.ts";
import { constantFromJson, constantToJson } from "./plan-constants.ts";

/** The plan as JSON text with sorted keys and a final newline: the same plan gives the same bytes. */
export function planToJson(plan: QuantPlan): string {
  const sorted = <T>(map: ReadonlyMap<string, T>): Record<string, T> =>
    Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  const { kind, version, target, tensors, nodes, calibration } = plan;
  const channelScales = plan.channelScales === undefined ? undefined : sorted(plan.channelScales);
  const constants =
    plan.constants === undefined
      ? undefined
      : sorted(new Map([...plan.constants].map(([name, c]) => [name, constantToJson(c, tensors.get(name))])));
  // The order of fields is said here too, so that it does not depend on who made the object.
  const ordered = {
    kind,
    version,
    target,
    calibration,
    channelScales,
    nodes: sorted(nodes),
    tensors: sorted(tensors),
    constants,
  };
  return `${JSON.stringify(ordered, null, 2)}\n`;
}

/** Largest plan text accepted, in characters. */
export const PLAN_MAX_CHARACTERS = 64 * 1024 * 1024;

type Json = Readonly<Record<string, unknown>>;

function bad(what: string): Error {
  return fail("PLAN_INVALID", `Cannot read the plan: ${what}`);
}

function object(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(`${what} is not an object`);
  return value as Json;
}

function numbers(value: unknown, what: string): readonly number[] {
  if (!Array.isArray(value) || !value.every((v) => typeof v === "number" && Number.isFinite(v)))
    throw bad(`${what} is not a list of numbers`);
  return value as readonly number[];
}

function readEncoding(name: string, value: unknown): Encoding {
  const json = object(value, `tensors.${name}`);
  const dtype = json["dtype"];
  if (typeof dtype !== "string" || !Object.hasOwn(LEVELS, dtype)) throw bad(`tensors.${name}.dtype is ${JSON.stringify(dtype)}`);
  const [low, high] = LEVELS[dtype as QuantDType];
  const scale = numbers(json["scale"], `tensors.${name}.scale`);
  const zeroPoint = numbers(json["zeroPoint"], `tensors.${name}.zeroPoint`);
  if (scale.length === 0 || scale.length !== zeroPoint.length)
    throw bad(`tensors.${name} has ${scale.length} scales and ${zeroPoint.length} zero points`);
  if (scale.some((s) => !(Math.fround(s) > 0 && Number.isFinite(Math.fround(s)))))
    throw bad(`tensors.${name}.scale has a value that is not a positive float32`);
  if (zeroPoint.some((z) => !Number.isInteger(z) || z < low || z > high))
    throw bad(`tensors.${name}.zeroPoint leaves the range of ${dtype}`);
  const axis = json["axis"];
  if (axis !== undefined && !(Number.isInteger(axis) && (axis as number) >= 0))
    throw bad(`tensors.${name}.axis is ${JSON.stringify(axis)}`);
  if (axis === undefined && scale.length !== 1) throw bad(`tensors.${name} has ${scale.length} scales and no axis`);
  const range = json["range"] === undefined ? undefined : numbers(json["range"], `tensors.${name}.range`);
  if (
    range !== undefined &&
    (range.length !== 2 ||
      !range.every(Number.isInteger) ||
      (range[0] as number) < low ||
      (range[1] as number) > high ||
      (range[0] as number) >= (range[1] as number))
  ) {
    throw bad(`tensors.${name}.range leaves the range of ${dtype}`);
  }
  return {
    dtype: dtype as QuantDType,
    scale: scale.map(Math.fround),
    zeroPoint,
    ...(axis === undefined ? {} : { axis: axis as number }),
    ...(range === undefined ? {} : { range: [range[0] as number, range[1] as number] }),
    reason: typeof json["reason"] === "string" ? json["reason"] : "",
  };
}

function readChoice(name: string, value: unknown): NodeChoice {
  const json = object(value, `nodes.${name}`);
  const precision = json["precision"];
  if (precision !== "int8" && precision !== "int16x8" && precision !== "float16" && precision !== "float32") {
    throw bad(`nodes.${name}.precision is ${JSON.stringify(precision)}`);
  }
  return { precision, reason: typeof json["reason"] === "string" ? json["reason"] : "" };
}

/** Reads a plan. @throws PLAN_INVALID naming the entry */
export function planFromJson(text: string): QuantPlan {
  if (text.length > PLAN_MAX_CHARACTERS) throw bad(`it has ${text.length} characters, more than ${PLAN_MAX_CHARACTERS}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw fail("PLAN_INVALID", "Cannot read the plan: it is not JSON", { cause: error });
  }
  const json = object(parsed, "the plan");
  if (json["kind"] !== "quant-plan" || json["version"] !== 1) throw bad("it is not a version 1 quant-plan");
  if (typeof json["target"] !== "string") throw bad("it names no target");
  const tensors = Object.entries(object(json["tensors"], "tensors")).map(
    ([name, value]) => [name, readEncoding(name, value)] as const,
  );
  const nodes = Object.entries(object(json["nodes"], "nodes")).map(([name, value]) => [name, readChoice(name, value)] as const);
  const evidence = json["calibration"];
  const constants = json["constants"] === undefined ? undefined : Object.entries(object(json["constants"], "constants"));
  const encodings = new Map(tensors);
  const scaled = json["channelScales"] === undefined ? undefined : Object.entries(object(json["channelScales"], "channelScales"));
  return {
    kind: "quant-plan",
    version: 1,
    target: json["target"],
    tensors: encodings,
    nodes: new Map(nodes),
    ...(scaled === undefined ? {} : { channelScales: new Map(scaled.map(([name, list]) => [name, readFactors(name, list)])) }),
    ...(constants === undefined
      ? {}
      : { constants: new Map(constants.map(([name, c]) => [name, constantFromJson(name, c, encodings.get(name))])) }),
    ...(evidence === undefined ? {} : { calibration: readEvidence(object(evidence, "calibration")) }),
  };
}

function readFactors(name: string, value: unknown): readonly number[] {
  const factors = numbers(value, `channelScales.${name}`).map(Math.fround);
  if (!factors.every((f) => f > 0 && Number.isFinite(f)))
    throw bad(`channelScales.${name} has a value that is not a positive float32`);
  return factors;
}

function readEvidence(json: Json): CalibrationEvidence {
  const { samples, digest, method, synthetic } = json as Readonly<Record<keyof CalibrationEvidence, unknown>>;
  if (typeof samples !== "number" || typeof digest !== "string" || typeof method !== "string")
    throw bad("calibration needs samples, digest and method");
  return { samples, digest, method, ...(typeof synthetic === "string" ? { synthetic } : {}) };
}
