import type { FusionSummary } from "@tessera/core/protocol/report";
import type { Target } from "@tessera/core/targets/target";
import { checkFusion } from "@tessera/runtimes/fusion-check";

/** What the target's runtime really makes of a quantized file. @throws RUNTIME_FAILED, RUNTIME_MISSING */
export async function fusionOf(bytes: Uint8Array, target: Target): Promise<FusionSummary> {
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
