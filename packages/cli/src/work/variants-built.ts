import { isTesseraError } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import { assertIntegers, usesReducedRange, withScheme } from "@tessera/core/targets/scheme";
import { type Calibrated, calibrateAll } from "./calibrate.ts";
import { computedHalfVariant } from "./half-variant.ts";
import type { OptimizeJob } from "./request.ts";
import { allFeeds, batchOf, countFeeds } from "./samples.ts";
import { variantWriter } from "./variant-writer.ts";
import { dynamicVariant, floatVariant, halfVariant, staticVariant, type Variant, weightOnlyVariant } from "./variants.ts";

/** A variant that could not be built, and why. */
export interface Skipped {
  readonly says: string;
  readonly why: string;
}

/** What was built, and from what the static integers were. */
export interface BuiltVariants {
  readonly variants: readonly Variant[];
  readonly skipped: readonly Skipped[];
  readonly calibrated: Calibrated;
  readonly reducedRange: boolean;
}

/**
 * Builds every variant that the target's format and rules allow, the float one first: with it everything ends, without one of the others the rest goes
 * on.
 *
 * @throws what building the float variant throws
 */
export async function buildVariants(
  { float, plain }: { readonly float: Model; readonly plain: Model },
  job: OptimizeJob,
  rows: readonly number[],
  hasVnni: boolean | undefined,
): Promise<BuiltVariants> {
  const { target, progress } = job;
  const writer = variantWriter(target.format);
  const { modelCard, host, signal } = job;
  progress.stage("calibrating", countFeeds(job.calibration.samples, rows));
  const wideTarget = target.wide === undefined || !job.wide ? undefined : withScheme(target, "int16x8");
  const [int8, int16] = await calibrateAll(plain, [target, ...(wideTarget === undefined ? [] : [wideTarget])], {
    open: (bytes) => host.load(bytes, { threads: 1 }),
    samples: () => allFeeds(modelCard, job.calibration.samples, rows, batchOf(plain, modelCard)),
    onSample: (done) => progress.at(done),
    signal,
  });
  const reducedRange = usesReducedRange(target, hasVnni);
  const evidence = { samples: int8.observations.samples, digest: job.calibration.digest };
  progress.stage("building variants");
  const variants: Variant[] = [floatVariant(float, "FP32 simplified", writer)];
  const skipped: Skipped[] = [];
  const attempt = async (says: string, build: () => Variant | undefined | Promise<Variant>): Promise<void> => {
    try {
      const variant = await build();
      if (variant !== undefined) variants.push(variant);
    } catch (error) {
      if (!isTesseraError(error) || job.signal.aborted) throw error;
      skipped.push({ says, why: error.message });
    }
  };
  await attempt("FP16 weights", () => halfVariant(float, writer));
  if (target.noIntegers !== undefined)
    await attempt("FP16", () =>
      computedHalfVariant(float, {
        open: (bytes) => host.load(bytes, { threads: 1 }),
        samples: allFeeds(modelCard, job.calibration.samples, rows, batchOf(plain, modelCard)),
        signal,
      }),
    );
  const inIntegers = <T>(build: () => T): T => {
    assertIntegers(target);
    return build();
  };
  await attempt("INT8 weights only", () => inIntegers(() => weightOnlyVariant(float, writer)));
  await attempt("INT8 dynamic", () => inIntegers(() => dynamicVariant(plain, writer)));
  for (const method of job.methods)
    await attempt(`INT8 static, ${method} ranges`, () =>
      inIntegers(() => staticVariant(int8, target, { method, reducedRange, writer, evidence })),
    );
  if (wideTarget !== undefined && int16 !== undefined)
    await attempt("INT16x8 static", () =>
      staticVariant(int16, wideTarget, {
        // 16 bits hold the whole range with room to spare: nothing is gained by cutting it.
        method: "min-max",
        reducedRange: false,
        writer,
        evidence,
      }),
    );
  return { variants, skipped, calibrated: int8, reducedRange };
}
