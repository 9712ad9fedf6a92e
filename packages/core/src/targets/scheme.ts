import { fail } from "../base/error.ts";
import type { QuantDType, QuantPlan } from "../graph/plan.ts";
import type { IntegerScheme, Target } from "./target.ts";

/** Ways to quantize statically. */
export type SchemeName = IntegerScheme["precision"];

/**
 * The target with the rules of one scheme in force: "int8" is what a row says by itself, "int16x8" has 16-bit activations beside 8-bit weights.
 *
 * @throws TARGET_RULE when the target has no kernels for it
 */
export function withScheme(target: Target, scheme: SchemeName): Target {
  assertIntegers(target);
  if (scheme === "int8") return target;
  const { wide } = target;
  if (wide === undefined)
    throw fail("TARGET_RULE", `Cannot quantize for ${target.id} with 16-bit activations: it has no kernels for them`);
  return { ...target, activations: wide.activations, operators: wide.operators };
}

/** Refuses a target that computes nothing in integers. @throws TARGET_RULE with the reason and the scheme to use */
export function assertIntegers({ id, noIntegers }: Pick<Target, "id" | "noIntegers">): void {
  if (noIntegers !== undefined)
    throw fail("TARGET_RULE", `Cannot quantize to integers for ${id}: ${noIntegers.why}`, {
      hint: `Use --scheme ${noIntegers.instead}`,
    });
}

/** Whether weights get 7 bits, on a processor with or without VNNI (`undefined`: not known). */
export function usesReducedRange(target: Pick<Target, "weights">, hasVnni: boolean | undefined): boolean {
  const { reducedRange } = target.weights;
  return reducedRange === "always" || (reducedRange === "without-vnni" && hasVnni === false);
}

/** Types of activations with 16 bits. */
function isWide(dtype: QuantDType): boolean {
  return dtype === "int16" || dtype === "uint16";
}

/** The scheme that a target's rules are in, as {@link withScheme} left them. */
export function schemeOf(target: Target): SchemeName {
  return isWide(target.activations.dtype) ? "int16x8" : "int8";
}

/** The type of a bias under a target's scheme. */
export function biasType(target: Target): IntegerScheme["bias"] {
  return schemeOf(target) === "int16x8" ? (target.wide?.bias ?? "int64") : "int32";
}

/** The scheme that a plan was made with. */
export function schemeOfPlan(plan: QuantPlan): SchemeName {
  for (const choice of plan.nodes.values()) if (choice.precision === "int16x8") return "int16x8";
  for (const encoding of plan.tensors.values()) if (isWide(encoding.dtype)) return "int16x8";
  return "int8";
}
