import type { Feeds, Runtime } from "@tessera/core/graph/runtime";
import { type MemoryReport, measureMemory } from "@tessera/runtimes/memory";
import type { Presented } from "../io/present.ts";
import type { RunFile } from "../io/runnable.ts";

/** Runtimes whose models can be weighed in a process of their own. */
const WEIGHED = ["ort-node", "ort-web", "litert"] as const;

/**
 * Memory, load time and first run of a file in a process of its own; `undefined` on a runtime that cannot be weighed so.
 *
 * @throws RUNTIME_FAILED
 */
export async function weigh(
  file: RunFile,
  options: { readonly runtime: Runtime; readonly session: Presented; readonly feeds: Feeds; readonly threads: number },
): Promise<MemoryReport | undefined> {
  const { session, feeds, threads } = options;
  const runtime = WEIGHED.find((id) => id === options.runtime.id);
  if (runtime === undefined) return undefined;
  const load = { threads, ...(file.externalData.size > 0 ? { externalData: file.externalData } : {}) };
  return measureMemory(file.bytes, session.ownFeeds?.(feeds) ?? feeds, { runtime, load });
}
