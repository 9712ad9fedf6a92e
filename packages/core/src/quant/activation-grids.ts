import { fail } from "../base/error.ts";
import type { Model } from "../graph/model.ts";
import type { Encoding } from "../graph/plan.ts";
import { LEVELS } from "../graph/quantize.ts";
import { toNumbers } from "../graph/tensor.ts";
import { withScheme } from "../targets/scheme.ts";
import type { Target } from "../targets/target.ts";
import { activationEncoding } from "./encoding.ts";
import type { FixedGrid } from "./grid-groups.ts";
import { createHistogram, type Histogram, mergeHistogram, observe } from "./histogram.ts";
import type { Observations } from "./observe.ts";
import type { Placement } from "./placement.ts";
import { chooseRange, type RangeChoice, type RangeOptions, rangeByChoice } from "./range.ts";

/** How {@link activationGrids} chooses ranges. */
export interface GridOptions {
  readonly range: Required<Pick<RangeOptions, "method" | "percentile">>;
  /** Choice for single tensors, by name; for a group, that of the first of its members that has one. */
  readonly rangeOf?: ReadonlyMap<string, RangeChoice>;
}

/**
 * Encodings of all activations and constant operands of a placement: of single values from what was seen of them, of groups that kernels need on one
 * grid from what was seen of all their members together, and of values that integers merely pass through from the value they come from.
 *
 * @param model - the float model with channels as they will be quantized
 * @throws PLAN_INVALID when a tensor of the placement was not observed
 */
export function activationGrids(
  model: Model,
  target: Target,
  placement: Placement,
  observations: Observations,
  options: GridOptions,
): Map<string, Encoding> {
  const tensors = new Map<string, Encoding>();
  const { wide } = placement;
  const wideTarget = wide === undefined ? target : withScheme(target, "int16x8");
  const targetOf = (name: string): Target => (wide?.has(name) ? wideTarget : target);
  const groupOf = new Map(placement.groups.flatMap((members) => members.map((name) => [name, members] as const)));
  const ofGroup = new Map<readonly string[], Encoding>();
  const isOperand = new Set(placement.operands);
  const seen = (name: string): Histogram => {
    const histogram = isOperand.has(name) ? constantHistogram(model, name) : observations.histograms.get(name);
    if (histogram === undefined)
      throw fail("PLAN_INVALID", `Cannot encode ${name}: it was not observed`, { at: { tensor: name } });
    return histogram;
  };
  const grid = (name: string): Encoding => {
    const fixed = placement.fixed.get(name);
    if (fixed !== undefined) return fixedEncoding(fixed, targetOf(name));
    const members = groupOf.get(name);
    if (members === undefined) return encodingOf(name, seen(name), targetOf(name), { ...options, samples: observations.samples });
    const [first, ...others] = members as readonly [string, ...string[]];
    const known = ofGroup.get(members);
    if (known !== undefined) return { ...known, reason: `one grid with ${name === first ? others[0] : first}` };
    const all = createHistogram(seen(first).counts.length);
    for (const member of members) mergeHistogram(all, seen(member));
    const named = members.find((member) => options.rangeOf?.has(member)) ?? first;
    const made = encodingOf(named, all, targetOf(first), { ...options, samples: observations.samples });
    const encoding = { ...made, reason: `one grid with ${name === first ? others.join(", ") : first}: ${made.reason}` };
    ofGroup.set(members, encoding);
    return encoding;
  };
  for (const name of placement.activations) tensors.set(name, grid(name));
  for (const [name, whose] of placement.shared) {
    const encoding = tensors.get(whose);
    if (encoding === undefined)
      throw fail("PLAN_INVALID", `Cannot encode ${name}: ${whose}, which it shares an encoding with, has none`, {
        at: { tensor: name },
      });
    tensors.set(name, { ...encoding, reason: `same integers as ${whose}` });
  }
  for (const name of placement.operands) {
    if (groupOf.has(name) || placement.fixed.has(name)) tensors.set(name, grid(name));
    else {
      const { dtype, symmetric } = targetOf(name).activations;
      const reason = "constant operand, its own range";
      tensors.set(name, activationEncoding(chooseRange(seen(name), { symmetric }), { dtype, symmetric, reason }));
    }
  }
  return tensors;
}

function constantHistogram(model: Model, name: string): Histogram | undefined {
  const constant = model.graph.constants.get(name);
  if (constant === undefined) return undefined;
  const histogram = createHistogram();
  observe(histogram, Float32Array.from(toNumbers(constant)));
  return histogram;
}

function fixedEncoding(fixed: FixedGrid, target: Target): Encoding {
  const { dtype } = target.activations;
  return {
    dtype,
    scale: [Math.fround(fixed.scale)],
    zeroPoint: [fixed.zeroPoint + (dtype === "int8" ? -128 : 0)],
    reason: "output grid fixed by the kernel",
  };
}

function encodingOf(
  name: string,
  histogram: Histogram,
  target: Target,
  options: GridOptions & { readonly samples: number },
): Encoding {
  const { dtype, symmetric } = target.activations;
  const { range: ranges, rangeOf, samples } = options;
  const [low, high] = LEVELS[dtype];
  // The symmetric 16-bit type leaves its lowest integer out.
  const levels = high - low + (dtype === "int16" ? 0 : 1);
  const chosen = rangeByChoice(histogram, rangeOf?.get(name) ?? ranges.method, {
    percentile: ranges.percentile,
    symmetric,
    levels,
  });
  const range = { ...chosen, max: Math.max(chosen.max, chosen.min + (target.leastRange ?? 0)) };
  const reason = `${range.called} over ${samples} samples: [${short(range.min)}, ${short(range.max)}] of [${short(histogram.min)}, ${short(histogram.max)}]`;
  return activationEncoding(range, { dtype, symmetric, reason });
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
