import { isTesseraError } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import { type SchemeName, withScheme } from "@tessera/core/targets/scheme";
import { batchOf, cropFeeds } from "./embed.ts";
import type { OptimizeJob } from "./request.ts";
import { variantWriter } from "./variant-writer.ts";
import {
  type Calibrated,
  calibrate,
  dynamicVariant,
  floatVariant,
  halfVariant,
  staticVariant,
  type Variant,
  weightOnlyVariant,
} from "./variants.ts";

/** A variant that could not be built, and why. */
export interface Skipped {
  readonly says: string;
  readonly why: string;
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
): Promise<{ readonly variants: readonly Variant[]; readonly skipped: readonly Skipped[] }> {
  const { target, progress } = job;
  const writer = variantWriter(target.format);
  const int8 = await calibrated(plain, job, rows, "int8");
  const reducedRange = target.weights.reducedRange === "without-vnni" && hasVnni === false;
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
  await attempt("INT8 weights only", () => weightOnlyVariant(float, writer));
  await attempt("INT8 dynamic", () => dynamicVariant(plain, writer));
  for (const method of job.methods)
    await attempt(`INT8 static, ${method} ranges`, () => staticVariant(int8, target, { method, reducedRange, writer, evidence }));
  if (target.wide !== undefined)
    await attempt("INT16x8 static", async () =>
      staticVariant(await calibrated(plain, job, rows, "int16x8"), withScheme(target, "int16x8"), {
        // 16 bits hold the whole range with room to spare: nothing is gained by cutting it.
        method: "min-max",
        reducedRange: false,
        writer,
        evidence,
      }),
    );
  return { variants, skipped };
}

async function calibrated(plain: Model, job: OptimizeJob, rows: readonly number[], scheme: SchemeName): Promise<Calibrated> {
  const { modelCard, host, progress, signal } = job;
  progress.stage("calibrating", rows.length);
  return calibrate(plain, withScheme(job.target, scheme), {
    open: (bytes) => host.load(bytes, { threads: 1 }),
    samples: () => cropFeeds(modelCard, job.calibration.crops, rows, batchOf(plain, modelCard)),
    onSample: (done) => progress.at(done),
    signal,
  });
}
