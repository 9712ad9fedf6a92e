import { fail } from "@tessera/core/base/error";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import type { Runtime, Session } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { unshareWeights } from "@tessera/core/quant/placement";
import type { RangeMethod } from "@tessera/core/quant/range";
import type { Target } from "@tessera/core/targets/target";
import { readHardware } from "@tessera/runtimes/hardware";
import { runtimeExecutor } from "../io/executor.ts";
import type { Progress } from "../ui/progress.ts";
import { compareOutputs, type OutputDifference } from "./compare.ts";
import { consistentPlan } from "./edited-plan.ts";
import type { Inputs } from "./feeds.ts";
import { computedHalfVariant } from "./half-variant.ts";
import { calibrate, dynamicVariant, halfVariant, staticVariant, type Variant, weightOnlyVariant } from "./variants.ts";

/** What is to become of the numbers. */
export type Scheme = "static" | "dynamic" | "weights" | "fp16" | "fp16-weights";

/** What {@link quantizeModel} needs. */
export interface QuantizeRequest {
  readonly model: Model;
  readonly scheme: Scheme;
  readonly target: Target;
  readonly runtime: Runtime;
  /** Simplify first, with proof. */
  readonly simplify: boolean;
  /** Calibration inputs, given a session on the float model; needed for static without a plan. */
  readonly calibration?: (session: Session) => Promise<Inputs & { readonly digest: string }>;
  /** Inputs of the comparison with float, given a session on the float model. */
  readonly comparison: (session: Session) => Promise<Inputs>;
  readonly method: RangeMethod;
  readonly percentile?: number;
  /** Applied instead of calibrating. */
  readonly plan?: QuantPlan;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Inputs compared with float after quantization. */
const COMPARED_SAMPLES = 16;

/** A quantized file and how far it is from float. */
export interface Quantized {
  readonly variant: Variant;
  readonly compared: string;
  readonly outputs: readonly OutputDifference[];
}

/** Builds one quantized variant of a float model. @throws PROOF_FAILED, CALIBRATION_EMPTY, PLAN_INVALID, TARGET_RULE */
export async function quantizeModel(request: QuantizeRequest): Promise<Quantized> {
  const { runtime, progress, signal } = request;
  const model = request.simplify ? await simplified(request) : request.model;
  signal.throwIfAborted();
  const variant = await build(model, request);
  const [float, changed] = [fileOf(modelToOnnx(model)), fileOf(variant.bytes)];
  const { inputs, outputs } = await compareOutputs(float, changed, {
    runtime,
    open: limited(request.comparison),
    progress,
    signal,
  });
  return { variant, compared: inputs.says, outputs };
}

function fileOf(bytes: Uint8Array) {
  return { bytes, model: modelFromOnnx(bytes), externalData: new Map<string, Uint8Array>() };
}

function limited(open: QuantizeRequest["comparison"]): QuantizeRequest["comparison"] {
  return async (session) => {
    const inputs = await open(session);
    const count = Math.min(COMPARED_SAMPLES, inputs.count);
    return { says: `${count} of ${inputs.says}`, count, feeds: (limit = count) => inputs.feeds(Math.min(limit, count)) };
  };
}

async function simplified({ model, scheme, target, runtime, progress, signal }: QuantizeRequest): Promise<Model> {
  // What pays in float on the target costs accuracy and time in integers: those start from the plain form.
  const computesInteger = scheme === "static" || scheme === "dynamic";
  progress.stage("simplifying and proving");
  const { model: simple, report } = await simplifyModel(model, {
    ...(computesInteger ? {} : { target }),
    proof: { execute: runtimeExecutor(runtime) },
    signal,
  });
  if (report.proof?.kind !== "proved")
    throw fail("PROOF_FAILED", `Cannot prove the simplified model: ${report.proof?.why ?? "no proof"}`, {
      hint: "Quantize the model as it is with --no-simplify",
    });
  return simple;
}

async function build(model: Model, request: QuantizeRequest): Promise<Variant> {
  switch (request.scheme) {
    case "fp16":
      return computed16(model, request);
    case "fp16-weights":
      return halfVariant(model);
    case "weights":
      return weightOnlyVariant(model);
    case "dynamic":
      return dynamicVariant(model);
    case "static":
      return request.plan === undefined ? calibratedVariant(model, request) : plannedVariant(model, request.plan, request);
  }
}

function plannedVariant(model: Model, given: QuantPlan, { target }: QuantizeRequest): Variant {
  const ready = unshareWeights(inferTypes(model), target);
  const plan = consistentPlan(ready, target, given);
  const integer = [...plan.nodes.values()].filter((c) => c.precision === "int8").length;
  return {
    id: "int8-plan",
    says: "INT8 static, by the plan given",
    scheme: "static-int8",
    bytes: modelToOnnx(applyPlan(ready, plan)),
    plan,
    notes: [`${integer} of ${plan.nodes.size} nodes in integers by the plan`],
  };
}

/** The calibration inputs, which may want to look at a session of the float model. */
async function samplesOf(model: Model, open: NonNullable<QuantizeRequest["calibration"]>, runtime: Runtime) {
  const probe = await runtime.load(modelToOnnx(model), { threads: 1 });
  try {
    return await open(probe);
  } finally {
    await probe.close();
  }
}

async function computed16(model: Model, { runtime, calibration, progress, signal }: QuantizeRequest): Promise<Variant> {
  const samples = calibration === undefined ? undefined : await samplesOf(model, calibration, runtime);
  if (samples !== undefined) progress.stage("looking at ranges", samples.count);
  return computedHalfVariant(model, {
    open: (bytes) => runtime.load(bytes, { threads: 1 }),
    ...(samples === undefined ? {} : { samples: samples.feeds() }),
    onSample: (done) => progress.at(done),
    signal,
  });
}

async function calibratedVariant(model: Model, request: QuantizeRequest): Promise<Variant> {
  const { target, runtime, method, percentile, progress, signal } = request;
  if (request.calibration === undefined)
    throw fail("CALIBRATION_EMPTY", "Cannot quantize statically: there is nothing to calibrate on", {
      hint: "Give pictures with --calib, tensors with --inputs, or a plan with --plan",
    });
  const samples = await samplesOf(model, request.calibration, runtime);
  if (samples.count < 100)
    progress.note(`warning: only ${samples.count} calibration samples; ranges from fewer than 100 are not to be relied on`);
  progress.stage("calibrating", samples.count);
  const calibrated = await calibrate(model, target, {
    open: (bytes) => runtime.load(bytes, { threads: 1 }),
    samples: () => samples.feeds(),
    onSample: (done) => progress.at(done),
    signal,
  });
  const reducedRange = target.weights.reducedRange === "without-vnni" && (await readHardware()).hasVnni === false;
  return staticVariant(calibrated, target, {
    method,
    ...(percentile === undefined ? {} : { percentile }),
    reducedRange,
    evidence: { samples: calibrated.observations.samples, digest: samples.digest },
  });
}
