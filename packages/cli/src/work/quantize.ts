import { fail } from "@tessera/core/base/error";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import type { Runtime, Session } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { type CalibrationCache, cachedSamples } from "@tessera/core/quant/calibration-cache";
import type { RangeMethod } from "@tessera/core/quant/range";
import { assertIntegers, type SchemeName, schemeOf, usesReducedRange, withScheme } from "@tessera/core/targets/scheme";
import type { Target } from "@tessera/core/targets/target";
import { readHardware } from "@tessera/runtimes/hardware";
import { sourcesDigest } from "../io/calibration-file.ts";
import { runtimeExecutor } from "../io/executor.ts";
import { wantedBy } from "../io/present.ts";
import type { Progress } from "../ui/progress.ts";
import { TESSERA_VERSION } from "../version.ts";
import { type Calibrated, cacheOf, calibrate, checkNetwork, preparedFor } from "./calibrate.ts";
import { type ComparedFile, compareOutputs, type OutputDifference } from "./compare.ts";
import { consistentPlan } from "./edited-plan.ts";
import type { Inputs } from "./feeds.ts";
import { computedHalfVariant } from "./half-variant.ts";
import { closedSizes } from "./lifted.ts";
import { checkSampleCount, sampleWarning } from "./sample-count.ts";
import { type Border, variantWriter } from "./variant-writer.ts";
import { dynamicVariant, halfVariant, staticVariant, type Variant, weightOnlyVariant } from "./variants.ts";

/** What is to become of the numbers. */
export type Scheme = "static" | "int16x8" | "dynamic" | "weights" | "fp16" | "fp16-weights";

/** Schemes that need to see the network's values: their integer rules. */
const STATIC: Readonly<Partial<Record<Scheme, SchemeName>>> = { static: "int8", int16x8: "int16x8" };

/** Inputs to calibrate on, with a digest of what they are; `synthetic` says how they were made up, where they were. */
export type CalibrationInputs = Inputs & { readonly digest: string; readonly synthetic?: string };

/** What {@link quantizeModel} needs. */
export interface QuantizeRequest {
  readonly model: Model;
  readonly scheme: Scheme;
  readonly target: Target;
  /** Runs the float model: for the proof, for calibration, and as what the result is compared with. */
  readonly host: Runtime;
  /** Runs the result. */
  readonly runtime: Runtime;
  /** Simplify first, with proof. */
  readonly simplify: boolean;
  /** Calibration inputs, given a session on the float model; needed for static without a plan. */
  readonly calibration?: (session: Session) => Promise<CalibrationInputs>;
  /** What was seen elsewhere, used instead of calibration inputs. */
  readonly cache?: CalibrationCache;
  /** Equalize channels as this cache of the same network did. */
  readonly equalizeBy?: CalibrationCache;
  /** Nodes that stay in float, and why. */
  readonly keepFloat?: ReadonlyMap<string, string>;
  /** Nodes with 16-bit activations among those with 8. */
  readonly wide?: ReadonlySet<string>;
  /** Go on with fewer samples than the floor. */
  readonly fewSamples: boolean;
  /** Inputs of the comparison with float, given a session on the float model. */
  readonly comparison: (session: Session) => Promise<Inputs>;
  readonly method: RangeMethod;
  readonly percentile?: number;
  /** Applied instead of calibrating. */
  readonly plan?: QuantPlan;
  /** Of inputs and outputs of the file. */
  readonly border: Border;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Inputs compared with float after quantization. */
const COMPARED_SAMPLES = 16;

/** A quantized file and how far it is from float. */
export interface Quantized {
  /** The float model that was quantized: simplified where that was asked for. */
  readonly model: Model;
  readonly variant: Variant;
  readonly compared: string;
  readonly outputs: readonly OutputDifference[];
  /** What calibration saw, when it ran: to be kept. */
  readonly cache?: CalibrationCache;
}

interface Built {
  readonly variant: Variant;
  readonly cache?: CalibrationCache;
}

/** Builds one quantized variant of a float model. @throws PROOF_FAILED, CALIBRATION_EMPTY, PLAN_INVALID, TARGET_RULE, UNSUPPORTED_OP */
export async function quantizeModel(request: QuantizeRequest): Promise<Quantized> {
  const { host, runtime, progress, signal } = request;
  checkScheme(request);
  const model = request.simplify ? await simplified(request) : request.model;
  signal.throwIfAborted();
  const { variant, cache } = await build(model, request);
  const none = new Map<string, Uint8Array>();
  const float: ComparedFile = { bytes: modelToOnnx(model), model, runtime: host, externalData: none };
  // A file that has layouts and types of its own is fed in the terms of the model that it was made of.
  const wanted = variant.format === "onnx" ? {} : { wanted: wantedBy(closedSizes(model).model) };
  const changed: ComparedFile = { bytes: variant.bytes, model, runtime, externalData: none, ...wanted };
  const { inputs, outputs } = await compareOutputs(float, changed, { open: limited(request.comparison), progress, signal });
  return { model, variant, compared: inputs.says, outputs, ...(cache === undefined ? {} : { cache }) };
}

/** Refuses what a target's format has no form for, before any work. @throws TARGET_RULE, USAGE */
function checkScheme({ scheme, target, border }: QuantizeRequest): void {
  const integers = STATIC[scheme];
  if (integers !== undefined) withScheme(target, integers);
  else if (scheme === "dynamic") assertIntegers(target);
  if (scheme === "weights" && variantWriter(target.format).weightOnly === undefined)
    throw fail("TARGET_RULE", `Cannot store int8 weights alone for ${target.id}: its kernels take them as dynamic ranges`, {
      hint: "Use --scheme dynamic",
    });
  if (scheme === "fp16" && target.format !== "onnx")
    throw fail("TARGET_RULE", `Cannot compute in float16 for ${target.id}: its files hold float16 weights only`, {
      hint: "Use --scheme fp16-weights",
    });
  if (border === "integer" && (target.format === "onnx" || STATIC[scheme] === undefined))
    throw fail("USAGE", `Cannot use --io int8 with --scheme ${scheme} for ${target.id}: its inputs and outputs are floats`);
}

function limited(open: QuantizeRequest["comparison"]): QuantizeRequest["comparison"] {
  return async (session) => {
    const inputs = await open(session);
    const count = Math.min(COMPARED_SAMPLES, inputs.count);
    const names = inputs.names === undefined ? {} : { names: inputs.names.slice(0, count) };
    return {
      says: `${count} of ${inputs.says}`,
      count,
      ...names,
      feeds: (limit = count) => inputs.feeds(Math.min(limit, count)),
    };
  };
}

async function simplified({ model, scheme, target, host, progress, signal }: QuantizeRequest): Promise<Model> {
  // What pays in float on the target costs accuracy and time in integers: those start from the plain form.
  const computesInteger = STATIC[scheme] !== undefined || scheme === "dynamic";
  progress.stage("simplifying and proving");
  const { model: simple, report } = await simplifyModel(model, {
    ...(computesInteger ? {} : { target }),
    proof: { execute: runtimeExecutor(host) },
    signal,
  });
  if (report.proof?.kind !== "proved")
    throw fail("PROOF_FAILED", `Cannot prove the simplified model: ${report.proof?.why ?? "no proof"}`, {
      hint: "Quantize the model as it is with --no-simplify",
    });
  return simple;
}

async function build(model: Model, request: QuantizeRequest): Promise<Built> {
  const writer = variantWriter(request.target.format);
  switch (request.scheme) {
    case "fp16":
      return { variant: await computed16(model, request) };
    case "fp16-weights":
      return { variant: halfVariant(model, writer) };
    case "weights":
      return { variant: weightOnlyVariant(model, writer) as Variant };
    case "dynamic":
      return { variant: dynamicVariant(model, writer) };
    case "static":
    case "int16x8":
      return request.plan === undefined
        ? calibratedVariant(model, request)
        : { variant: plannedVariant(model, request.plan, request) };
  }
}

/** The target by whose rules a static scheme goes. */
function schemeTarget({ target, scheme }: QuantizeRequest): Target {
  return withScheme(target, STATIC[scheme] ?? "int8");
}

function plannedVariant(model: Model, given: QuantPlan, request: QuantizeRequest): Variant {
  const target = schemeTarget(request);
  const { model: ready, wideNodes } = preparedFor(inferTypes(model), target, wideIn(given, target));
  const plan = consistentPlan(ready, target, given, wideNodes);
  const integer = [...plan.nodes.values()].filter((c) => c.precision !== "float32").length;
  const written = variantWriter(target.format).planned(ready, plan, request.border);
  return {
    id: "int8-plan",
    says: "INT8 static, by the plan given",
    scheme: "static-int8",
    format: target.format,
    bytes: written.bytes,
    plan,
    notes: [`${integer} of ${plan.nodes.size} nodes in integers by the plan`, ...written.notes],
  };
}

/** Nodes that a plan gives 16-bit activations among those with 8. */
function wideIn(plan: QuantPlan, target: Target): ReadonlySet<string> {
  if (schemeOf(target) === "int16x8") return new Set();
  return new Set([...plan.nodes].filter(([, choice]) => choice.precision === "int16x8").map(([name]) => name));
}

/** The calibration inputs, which may want to look at a session of the float model. */
export async function samplesOf(model: Model, open: NonNullable<QuantizeRequest["calibration"]>, host: Runtime) {
  const probe = await host.load(modelToOnnx(model), { threads: 1 });
  try {
    return await open(probe);
  } finally {
    await probe.close();
  }
}

async function computed16(model: Model, { host, calibration, progress, signal }: QuantizeRequest): Promise<Variant> {
  const samples = calibration === undefined ? undefined : await samplesOf(model, calibration, host);
  if (samples !== undefined) progress.stage("looking at ranges", samples.count);
  return computedHalfVariant(model, {
    open: (bytes) => host.load(bytes, { threads: 1 }),
    ...(samples === undefined ? {} : { samples: samples.feeds() }),
    onSample: (done) => progress.at(done),
    signal,
  });
}

async function calibratedVariant(model: Model, request: QuantizeRequest): Promise<Built> {
  const { method, percentile, border } = request;
  const target = schemeTarget(request);
  const { calibrated, digest, synthetic, cache } = await seenBy(model, target, request);
  checkNames(calibrated.model, request);
  const { samples } = calibrated.observations;
  const reducedRange = usesReducedRange(target, (await readHardware()).hasVnni);
  const variant = staticVariant(calibrated, target, {
    method,
    ...(percentile === undefined ? {} : { percentile }),
    reducedRange,
    writer: variantWriter(target.format),
    border,
    evidence: { samples, digest, ...(synthetic === undefined ? {} : { synthetic }) },
  });
  const warning = synthetic === undefined ? sampleWarning(samples) : SYNTHETIC_WARNING;
  const said = warning === undefined ? variant : { ...variant, notes: [warning, ...variant.notes] };
  return { variant: said, ...(cache === undefined ? {} : { cache }) };
}

/** Refuses precisions for nodes that are not there: a misspelt name would change nothing and say nothing. @throws USAGE */
function checkNames({ graph }: Model, { keepFloat, wide }: QuantizeRequest): void {
  const names = new Set(graph.nodes.map((node) => node.name));
  const unknown = [...(keepFloat?.keys() ?? []), ...(wide ?? [])].find((name) => !names.has(name));
  if (unknown !== undefined)
    throw fail("USAGE", `Cannot choose a precision for ${unknown}: the simplified model has no node of that name`, {
      hint: "plan.json lists the nodes, as does tessera inspect after tessera simplify",
    });
}

/** Said of every file whose ranges come from made-up inputs. */
const SYNTHETIC_WARNING =
  "warning: calibrated on synthetic inputs; what that costs shows on real ones only: give some with --inputs, or calibrate on at least 100";

/** What calibration saw: from the cache, or by running the samples, which makes one. */
async function seenBy(
  model: Model,
  target: Target,
  request: QuantizeRequest,
): Promise<{
  readonly calibrated: Calibrated;
  readonly digest: string;
  readonly synthetic?: string;
  readonly cache?: CalibrationCache;
}> {
  const { host, cache, equalizeBy, fewSamples, progress, signal } = request;
  const open = (bytes: Uint8Array): Promise<Session> => host.load(bytes, { threads: 1 });
  const { keepFloat, wide } = request;
  const chosen = { ...(keepFloat === undefined ? {} : { keepFloat }), ...(wide === undefined ? {} : { wide }) };
  if (cache !== undefined) {
    checkSampleCount(cachedSamples(cache), { fewSamples });
    const calibrated = await calibrate(model, target, { open, samples: () => [], cache, ...chosen });
    return { calibrated, digest: sourcesDigest(cache) };
  }
  if (request.calibration === undefined)
    throw fail("CALIBRATION_EMPTY", "Cannot quantize statically: there is nothing to calibrate on", {
      hint: "Give pictures with --calib, tensors with --inputs, a file of --calibration-cache, or a plan with --plan",
    });
  const samples = await samplesOf(model, request.calibration, host);
  checkSampleCount(samples.count, { fewSamples });
  const warning = sampleWarning(samples.count);
  if (warning !== undefined) progress.note(warning);
  if (equalizeBy !== undefined) checkNetwork(equalizeBy, model);
  progress.stage("calibrating", samples.count);
  const calibrated = await calibrate(model, target, {
    open,
    samples: () => samples.feeds(),
    ...chosen,
    ...(equalizeBy === undefined ? {} : { equalizeBy: equalizeBy.channelScales }),
    onSample: (done) => progress.at(done),
    signal,
  });
  const { digest, synthetic } = samples;
  if (synthetic !== undefined) return { calibrated, digest, synthetic };
  const seen = cacheOf([calibrated], { tool: `tessera ${TESSERA_VERSION}`, target: target.id, model, digest });
  return { calibrated, digest, cache: seen };
}
