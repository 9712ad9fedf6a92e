import type { Target } from "../target.ts";
import type { FormPrediction, IntegerPrediction, PredictedSpeedup } from "./predict.ts";

/** What a verdict is made of. */
export interface VerdictParts {
  readonly target: Target;
  readonly float: FormPrediction;
  readonly integer: IntegerPrediction | undefined;
  readonly speedup: PredictedSpeedup | undefined;
  readonly tooShort: boolean;
}

/** The sentence that a reader should go away with. */
export function verdictOf({ target, float, integer, speedup, tooShort }: VerdictParts): string {
  if (target.noIntegers !== undefined)
    return `${target.id} takes no integers (${target.noIntegers.why}): ship ${target.noIntegers.instead}`;
  if (integer === undefined) return `Nothing is known of ${target.id} in integers`;
  if (Object.keys(integer.integerOperators).length === 0)
    return `Nothing of this model becomes an integer on ${target.id}: INT8 would be the float model again${staysWords(integer)}`;
  if (tooShort)
    return `A run takes about ${(float.latencyMs ?? 0).toFixed(2)} ms on ${target.id} in float already: too short to tell from prices of kernels whether INT8 is faster; time it`;
  if (speedup === undefined)
    return `${percent(integer.macShare)} of the multiplications are in integers on ${target.id}${staysWords(integer)}${slowWords(integer)}; how fast they are there is not known here`;
  const factor =
    speedup.value >= 1
      ? `about ${speedup.value.toFixed(1)} times as fast as FP32`
      : `about ${(1 / speedup.value).toFixed(1)} times as slow as FP32`;
  if (speedup.low > 1) return `INT8 will be faster than FP32 here, ${factor}${staysWords(integer)}`;
  if (speedup.high < 1) return `INT8 will be slower than FP32 here, ${factor}${becauseWords(integer)}`;
  if (speedup.value < 1) return `INT8 will likely be slower than FP32 here, ${factor}${becauseWords(integer)}`;
  return `INT8 will hardly be faster than FP32 here, ${factor}${staysWords(integer)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0.99 && share < 1 ? 1 : 0)} %`;
}

function conversions({ quantize, dequantize }: IntegerPrediction): number {
  return quantize + dequantize;
}

function countWords({ nodes, op }: { readonly nodes: number; readonly op: string }): string {
  return `${nodes} ${op}`;
}

/** ": 33 PRelu stay in float between 68 conversions". */
function staysWords(integer: IntegerPrediction): string {
  const [first] = integer.inFloat;
  if (first === undefined) return "";
  const some = integer.inFloat.slice(0, 3).map(countWords).join(", ");
  return `: ${some} ${first.nodes === 1 && integer.inFloat.length === 1 ? "stays" : "stay"} in float between ${conversions(integer)} conversions`;
}

function slowWords({ slow }: IntegerPrediction): string {
  return slow.length === 0 ? "" : `: ${slow.slice(0, 3).map(countWords).join(", ")} run in slow integer kernels`;
}

function becauseWords(integer: IntegerPrediction): string {
  if (integer.slow.length > 0) return slowWords(integer);
  return integer.inFloat.length > 0 ? staysWords(integer) : ": its integer kernels are slower at these sizes";
}
