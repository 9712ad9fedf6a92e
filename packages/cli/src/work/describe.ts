import { basename, extname } from "node:path";
import { at } from "@tessera/core/base/assert";
import type { Candidate, Latency } from "@tessera/core/protocol/report";
import { sha256 } from "../io/files.ts";
import type { EvaluationSet } from "./accuracy.ts";
import { fusionOf } from "./fusion.ts";
import { compareToBaseline, gatesOf, type Judged } from "./judge.ts";
import type { OptimizeRequest } from "./request.ts";
import type { Variant } from "./variants.ts";

/** What was built and measured, by position. */
export interface Built {
  readonly variants: readonly Variant[];
  readonly judged: readonly Judged[];
  readonly latencies: readonly (Latency & { readonly name: string })[];
  readonly set: EvaluationSet;
}

/** Every variant as the report has it. */
export async function describeCandidates(
  { variants, judged, latencies, set }: Built,
  request: OptimizeRequest,
): Promise<readonly Candidate[]> {
  const baseline = at(judged, 0);
  const baselineBytes = at(variants, 0).bytes.length;
  const stem = basename(request.file.path, extname(request.file.path));
  const candidates: Candidate[] = [];
  for (const [i, variant] of variants.entries()) {
    request.progress.stage(`comparing ${variant.says} with FP32`);
    const mine = at(judged, i);
    const { name: _, ...latency } = at(latencies, i);
    const original = latencies.find((l) => l.name === "original");
    const notes = [...variant.notes];
    if (i === 0 && original !== undefined)
      notes.push(`${(original.ratioToBaseline.median).toFixed(2)} times as fast as the file that came in`);
    candidates.push({
      id: variant.id,
      says: variant.says,
      scheme: variant.scheme,
      file: `${stem}.${variant.id}.onnx`,
      sha256: sha256(variant.bytes),
      sizeBytes: variant.bytes.length,
      sizeRatio: variant.bytes.length / baselineBytes,
      baseline: i === 0,
      latency,
      ...(variant.scheme === "static-int8" || variant.scheme === "dynamic-int8"
        ? { fusion: await fusionOf(variant.bytes, request.target) }
        : {}),
      accuracy: mine.evaluated.accuracy,
      ...(i === 0 ? {} : { versus: compareToBaseline(baseline, mine, set, request) }),
      gates: gatesOf(mine, i === 0 ? undefined : baseline, set, request.fars),
      curves: mine.evaluated.curves,
      notes,
    });
  }
  return candidates;
}
