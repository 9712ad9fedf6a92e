import { fail, type TesseraError } from "../base/error.ts";
import type { FusedModality, FusionModel, FusionRule, SeenRange } from "./fusion.ts";
import { NORMALISATIONS, type Normalisation } from "./fusion-normalise.ts";
import type { RatioCurve, RatioCurves } from "./fusion-ratio.ts";

/** Longest text of a fusion that is read, characters. */
export const MAX_FUSION_CHARACTERS = 1 << 20;
/** Modalities at most. */
export const MAX_MODALITIES = 8;
const MAX_POINTS = 1024;
const MAX_CURVES = 16;
/** Larger numbers than this have no business in a score, and products of those below stay finite. */
const LARGEST = 1e100;
const NAME = /^[a-z][a-z0-9-]{0,31}$/;
const METHODS = ["sum", "logistic", "likelihood-ratio"] as const;

/**
 * The fields of a fusion, each taken out by name, checked and put into new objects: what nobody asked for is refused. Whether rules fit modalities is
 * for the caller. @throws MALFORMED naming the field, LIMIT_EXCEEDED
 */
export function readFusion(json: string): FusionModel {
  if (json.length > MAX_FUSION_CHARACTERS)
    throw fail("LIMIT_EXCEEDED", `Cannot read the fusion: ${json.length} characters, more than ${MAX_FUSION_CHARACTERS}`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw fail("MALFORMED", "Cannot read the fusion: it is not JSON", { cause });
  }
  const model = opened({ value, path: "" }, ["kind", "version", "method", "modalities", "rules", "trials"]);
  if (model("kind").value !== "fusion") throw bad(model("kind"), 'must be "fusion"');
  if (model("version").value !== 1) throw bad(model("version"), "must be 1; a newer file needs a newer Tessera");
  const method = word(model("method"), METHODS);
  const trials = opened(model("trials"), ["genuine", "impostor"]);
  const modalities = list(model("modalities"), 1, MAX_MODALITIES);
  const parts = {
    kind: "fusion",
    version: 1,
    rules: list(model("rules"), 1, 1 << MAX_MODALITIES).map(ruleAt),
    trials: { genuine: count(trials("genuine")), impostor: count(trials("impostor")) },
  } as const;
  const names = modalities.map((field) => nameAt({ value: entryOf(field, "name"), path: `${field.path}.name` }));
  const twin = names.find((name, i) => names.indexOf(name) !== i);
  if (twin !== undefined) throw bad(model("modalities"), `names "${twin}" twice`);
  if (method === "logistic") return { ...parts, method, modalities: modalities.map((field) => modalityAt(field, []).known) };
  if (method === "sum")
    return {
      ...parts,
      method,
      modalities: modalities.map((field) => {
        const { known, rest } = modalityAt(field, ["weight", "normalisation"]);
        return { ...known, weight: number(rest("weight"), 0), normalisation: normalisationAt(rest("normalisation")) };
      }),
    };
  return {
    ...parts,
    method,
    modalities: modalities.map((field) => {
      const { known, rest } = modalityAt(field, ["curves"]);
      return { ...known, curves: curvesAt(rest("curves")) };
    }),
  };
}

interface Field {
  readonly value: unknown;
  readonly path: string;
}

type Open = (key: string) => Field;

function bad({ path }: Field, why: string): TesseraError {
  return fail("MALFORMED", `Cannot read the fusion: ${path === "" ? "it" : `field "${path}"`} ${why}`);
}

/** An object with these fields, and perhaps the optional ones, and no other. */
function opened(field: Field, keys: readonly string[], optional: readonly string[] = []): Open {
  const { value, path } = field;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(field, "must be an object");
  const record = value as { readonly [key: string]: unknown };
  const inside = (key: string): Field => ({ value: record[key], path: path === "" ? key : `${path}.${key}` });
  for (const key of Object.keys(record))
    if (!keys.includes(key) && !optional.includes(key)) throw bad(inside(key.slice(0, 60)), "is unknown");
  for (const key of keys) if (!Object.hasOwn(record, key)) throw bad(inside(key), "is missing");
  return (key) => (Object.hasOwn(record, key) ? inside(key) : { ...inside(key), value: undefined });
}

function entryOf({ value }: Field, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as { readonly [key: string]: unknown })[key]
    : undefined;
}

function modalityAt(field: Field, keys: readonly string[]): { readonly known: FusedModality; readonly rest: Open } {
  const rest = opened(field, ["name", "scores", ...keys], ["quality"]);
  const quality = rest("quality");
  const known = { name: nameAt(rest("name")), scores: rangeAt(rest("scores"), []).range };
  if (quality.value === undefined) return { known, rest };
  const { range, rest: inner } = rangeAt(quality, ["mean"]);
  return { known: { ...known, quality: { ...range, mean: number(inner("mean"), range.low, range.high) } }, rest };
}

function rangeAt(field: Field, keys: readonly string[]): { readonly range: SeenRange; readonly rest: Open } {
  const rest = opened(field, ["low", "high", ...keys]);
  const low = number(rest("low"));
  return { range: { low, high: number(rest("high"), low) }, rest };
}

function ruleAt(field: Field): FusionRule {
  const rule = opened(field, ["modalities", "intercept", "weights"]);
  return {
    modalities: list(rule("modalities"), 1, MAX_MODALITIES).map(nameAt),
    intercept: number(rule("intercept")),
    weights: list(rule("weights"), 1, 3 * MAX_MODALITIES).map((entry) => number(entry)),
  };
}

function normalisationAt(field: Field): Normalisation {
  const part = opened(field, ["method", "shift", "scale"]);
  const scale = number(part("scale"));
  if (!(scale >= 1 / LARGEST)) throw bad(part("scale"), `is ${scale}, not above 0`);
  return { method: word(part("method"), NORMALISATIONS), shift: number(part("shift")), scale };
}

function curvesAt(field: Field): RatioCurves {
  const part = opened(field, ["low", "high", "curves"]);
  const curves = list(part("curves"), 1, MAX_CURVES).map(curveAt);
  curves.forEach((curve, i) => {
    const before = curves[i - 1];
    if (before !== undefined && !(curve.quality > before.quality)) throw bad(part("curves"), "has qualities that do not ascend");
  });
  return { low: number(part("low"), -LARGEST, 0), high: number(part("high"), 0), curves };
}

function curveAt(field: Field): RatioCurve {
  const part = opened(field, ["quality", "scores", "logRatios"]);
  const scores = list(part("scores"), 2, MAX_POINTS).map((entry) => number(entry));
  const logRatios = list(part("logRatios"), scores.length, scores.length).map((entry) => number(entry));
  for (let i = 1; i < scores.length; i++) {
    if (!((scores[i] as number) > (scores[i - 1] as number))) throw bad(part("scores"), "does not ascend");
    if ((logRatios[i] as number) < (logRatios[i - 1] as number)) throw bad(part("logRatios"), "falls");
  }
  return { quality: number(part("quality")), scores, logRatios };
}

function nameAt(field: Field): string {
  if (typeof field.value !== "string" || !NAME.test(field.value))
    throw bad(field, "must be a name of up to 32 small letters, digits and dashes");
  return field.value;
}

function number(field: Field, low = -LARGEST, high = LARGEST): number {
  const { value } = field;
  if (typeof value !== "number" || !Number.isFinite(value)) throw bad(field, "must be a number");
  if (value < low || value > high) throw bad(field, `is ${value}, not within ${low}..${high}`);
  return value;
}

function count(field: Field): number {
  const value = number(field, 0, Number.MAX_SAFE_INTEGER);
  if (!Number.isInteger(value)) throw bad(field, `is ${value}, not a whole number`);
  return value;
}

function word<const T extends string>(field: Field, words: readonly T[]): T {
  const found = words.find((w) => w === field.value);
  if (found === undefined) throw bad(field, `must be one of ${words.join(", ")}`);
  return found;
}

function list(field: Field, low: number, high: number): readonly Field[] {
  const { value, path } = field;
  if (!Array.isArray(value)) throw bad(field, "must be a list");
  if (value.length < low || value.length > high) throw bad(field, `has ${value.length} entries, not ${low}..${high}`);
  return value.map((entry: unknown, i) => ({ value: entry, path: `${path}[${i}]` }));
}
