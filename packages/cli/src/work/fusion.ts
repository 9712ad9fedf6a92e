import { isTesseraError } from "@tessera/core/base/error";
import type { FusionSummary } from "@tessera/core/protocol/report";
import type { Target } from "@tessera/core/targets/target";
import { checkFusion } from "@tessera/runtimes/fusion-check";
import { delegationOf } from "./delegation.ts";
import { qdqFusion } from "./qdq-fusion.ts";
import { tfliteFusion } from "./tflite-facts.ts";
import type { Variant } from "./variants.ts";

/** Schemes whose products are in integers. */
const INTEGER_SCHEMES: ReadonlySet<Variant["scheme"]> = new Set(["static-int8", "static-int16x8", "dynamic-int8"]);

/** Whether a variant is meant to compute in integers. */
export function computesIntegers({ scheme }: Pick<Variant, "scheme">): boolean {
  return INTEGER_SCHEMES.has(scheme);
}

/** ONNX: what the runtime's own optimised graph has; what the file asks for, where that runtime is not here. */
async function onnxFusion(bytes: Uint8Array, target: Target): Promise<FusionSummary> {
  if (target.here === "simulated") return qdqFusion(bytes, target);
  const report = await checkFusion(bytes, target);
  return {
    integer: Object.entries(report.coverage)
      .filter(([, c]) => c.integer > 0 || c.float > 0)
      .map(([op, c]) => ({ op, integer: c.integer, total: c.integer + c.float })),
    transposes: report.layout.length,
    quantizeNodes: report.quantizeLeft + report.dequantizeLeft,
    islands: report.islands.map(({ node, op, why }) => ({ node, op, why })),
  };
}

/** TFLite: what the file says each operator computes in, and which operators XNNPACK took over. */
async function fileFusion(bytes: Uint8Array): Promise<FusionSummary> {
  const counted = tfliteFusion(bytes);
  try {
    return { ...counted, delegation: await delegationOf(bytes) };
  } catch (error) {
    // The older runtime that can tell may not know an operator; what stands in the file stands.
    if (!isTesseraError(error)) throw error;
    return counted;
  }
}

const CHECKS: Readonly<Record<Target["format"], (bytes: Uint8Array, target: Target) => Promise<FusionSummary>>> = {
  onnx: onnxFusion,
  tflite: fileFusion,
};

/** What the target's runtime really makes of a quantized file. @throws RUNTIME_FAILED, RUNTIME_MISSING */
export function fusionOf(variant: Pick<Variant, "bytes" | "format">, target: Target): Promise<FusionSummary> {
  return CHECKS[variant.format](variant.bytes, target);
}
