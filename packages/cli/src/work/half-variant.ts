import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { computeHalf } from "@tessera/core/quant/half-compute";
import { floatValues } from "@tessera/core/quant/hints-half";
import { observeTensors } from "@tessera/core/quant/observe";
import type { Variant } from "./variants.ts";

/** Computed in float16. With samples, what they reach decides which nodes stay in float32; without, operators and constants alone do. */
export async function computedHalfVariant(
  model: Model,
  options: {
    readonly open: (bytes: Uint8Array) => Promise<Session>;
    readonly samples?: Iterable<Feeds>;
    readonly onSample?: (done: number) => void;
    readonly signal: AbortSignal;
  },
): Promise<Variant> {
  const typed = inferTypes(model);
  const seen =
    options.samples === undefined
      ? undefined
      : await observeTensors(typed, floatValues(typed), options.samples, {
          open: (exposed) => options.open(modelToOnnx(exposed)),
          ...(options.onSample === undefined ? {} : { onSample: options.onSample }),
          signal: options.signal,
        });
  const { model: half, report } = computeHalf(typed, seen === undefined ? {} : { histograms: seen.histograms });
  const reasons = new Map<string, number>();
  for (const { op, why } of report.kept) reasons.set(`${op}: ${why}`, (reasons.get(`${op}: ${why}`) ?? 0) + 1);
  return {
    id: "fp16-compute",
    says: "FP16",
    scheme: "float16",
    format: "onnx",
    bytes: modelToOnnx(half),
    notes: [
      `${report.half} nodes compute in float16, ${report.kept.length} stay in float32, ${report.casts} casts between them`,
      ...[...reasons].slice(0, 5).map(([why, count]) => `in float32: ${count} x ${why}`),
      seen === undefined
        ? "no samples were given: that no value exceeds 65,504 is not shown"
        : `values seen on ${seen.samples} samples decided what float16 cannot hold`,
      ...(report.underflowed > 0 ? [`${report.underflowed} weights below float16's smallest number became zero`] : []),
      "for runtimes with float16 kernels; a processor without them casts back and is slower",
    ],
  };
}
