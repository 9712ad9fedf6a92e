import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { planFromEncodings } from "@tessera/core/convert/export/plan-from-encodings";
import { isEncodings } from "@tessera/core/convert/export/read-encodings";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import type { Runtime } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { planFromJson, planToJson } from "@tessera/core/quant/plan-json";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import type { RangeMethod } from "@tessera/core/quant/range";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { usesReducedRange } from "@tessera/core/targets/scheme";
import type { Target } from "@tessera/core/targets/target";
import { readHardware } from "@tessera/runtimes/hardware";
import type { Progress } from "../ui/progress.ts";
import { calibrateAll } from "./calibrate.ts";
import { consistentPlan } from "./edited-plan.ts";
import { type Exported, type ExportKind, exportTarget, writeExport } from "./export.ts";
import { type QuantizeRequest, samplesOf } from "./quantize.ts";

/** What {@link exportAll} needs. */
export interface ExportRequest {
  readonly kinds: readonly ExportKind[];
  /** The float model, simplified. */
  readonly model: Model;
  /** Files are named STEM.KIND.ENDING. */
  readonly stem: string;
  /** Runs the float model. */
  readonly host: Runtime;
  /** A plan made before; used for the kinds by whose rules it was made. */
  readonly plan?: QuantPlan;
  readonly calibration?: QuantizeRequest["calibration"];
  readonly method: RangeMethod;
  readonly percentile?: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Writes a network for tools that are not here, each with a plan by the rules of its own target: the plan given where it was made by those rules, else
 * one calibrated now. Targets share the looks at the samples as far as their rules agree.
 *
 * @throws CALIBRATION_EMPTY, PLAN_INVALID, TARGET_RULE, IO
 */
export async function exportAll(request: ExportRequest): Promise<readonly Exported[]> {
  const { kinds, model, stem, plan } = request;
  const targets = new Map<string, Target>(kinds.map((kind) => [exportTarget(kind).id, exportTarget(kind)]));
  const typed = inferTypes(model);
  const ready = new Map<string, { readonly model: Model; readonly plan: QuantPlan }>();
  const missing: Target[] = [];
  for (const target of targets.values()) {
    if (plan?.target !== target.id) missing.push(target);
    else {
      const prepared = prepareForIntegers(typed, target);
      ready.set(target.id, { model: prepared, plan: consistentPlan(prepared, target, plan) });
    }
  }
  const [first, ...others] = missing;
  if (first !== undefined) for (const [id, made] of await calibrated([first, ...others], request)) ready.set(id, made);
  return kinds.map((kind) => {
    const { id } = exportTarget(kind);
    return writeExport(kind, { ...(ready.get(id) as { model: Model; plan: QuantPlan }), stem });
  });
}

async function calibrated(targets: readonly [Target, ...Target[]], request: ExportRequest) {
  const { model, host, calibration, method, percentile, progress, signal } = request;
  if (calibration === undefined)
    throw fail(
      "CALIBRATION_EMPTY",
      `Cannot export for ${targets.map((t) => t.id).join(", ")}: there is nothing to calibrate on`,
      {
        hint: "Give pictures with --calib, tensors with --inputs, or a plan made with --target of the export",
      },
    );
  const samples = await samplesOf(model, calibration, host);
  progress.stage("calibrating for exports", samples.count);
  const seen = await calibrateAll(model, targets, {
    open: (bytes) => host.load(bytes, { threads: 1 }),
    samples: () => samples.feeds(),
    onSample: (done) => progress.at(done),
    signal,
  });
  const { hasVnni } = await readHardware();
  return targets.map((target, i) => {
    const { model: ready, channelScales, placement, observations } = at(seen, i);
    const made = staticPlan(ready, target, placement, observations, {
      range: { method, ...(percentile === undefined ? {} : { percentile }) },
      reducedRange: usesReducedRange(target, hasVnni),
      evidence: { samples: observations.samples, digest: samples.digest, method },
      channelScales,
    });
    return [target.id, { model: ready, plan: planFromJson(planToJson(made)) }] as const;
  });
}

/**
 * The plan in a text: Tessera's own, or the encodings of AIMET and Qualcomm's converters, which become a plan for the target.
 *
 * @throws PLAN_INVALID, MALFORMED, LIMIT_EXCEEDED
 */
export function planOfText(text: string, { model, target }: { readonly model: Model; readonly target: Target }) {
  if (!looksLikeEncodings(text)) return { plan: planFromJson(text), notes: [] };
  const { plan, notes } = planFromEncodings(text, prepareForIntegers(inferTypes(model), target), { target });
  return { plan, notes };
}

function looksLikeEncodings(text: string): boolean {
  try {
    return isEncodings(JSON.parse(text));
  } catch {
    return false;
  }
}
