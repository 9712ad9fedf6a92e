import type { Delegation } from "@tessera/core/protocol/report";
import { tfliteDelegation } from "@tessera/runtimes/tfjs-tflite-delegation";
import { tfjsVersion } from "@tessera/runtimes/tfjs-tflite-module";

/** How many operators of a TFLite file XNNPACK takes over, and which it leaves, as the runtime that can tell it has them. @throws RUNTIME_FAILED, RUNTIME_MISSING */
export async function delegationOf(bytes: Uint8Array): Promise<Delegation> {
  const { delegated, fallback } = await tfliteDelegation(bytes);
  const counts = new Map<string, number>();
  for (const { op } of fallback) counts.set(op, (counts.get(op) ?? 0) + 1);
  return {
    delegated: delegated.length,
    total: delegated.length + fallback.length,
    fallback: [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count || (a.op < b.op ? -1 : 1)),
    runtime: `tfjs-tflite ${tfjsVersion()}`,
  };
}
