import { readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { wordsOf } from "./engine.ts";
import { ENGINES } from "./engines.ts";
import type { MemoryAnswer, MemoryTask } from "./memory.ts";

/**
 * Highest resident set since the last {@link resetPeak}, bytes. Linux's own figure of the memory image: `resourceUsage().maxRSS` counts
 * what the parent held when it forked, so that a large parent hides a small model.
 */
function peakRssBytes(): number {
  try {
    const kib = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

/** Forgets the peak of the start-up, where the system can (Linux: 5 into clear_refs, see proc(5)). */
function resetPeak(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Not Linux or not allowed: the peak then includes the start of Node, which is below that of any model worth measuring.
  }
}

async function work(task: MemoryTask): Promise<MemoryAnswer> {
  const row = ENGINES[task.spec.engine];
  await row.start(task.spec);
  resetPeak();
  const baselineRssBytes = process.memoryUsage.rss();
  const start = performance.now();
  // By path where it can, as a device would load it: the native build maps and frees the file itself.
  const engine = await row.open(row.paths ? task.path : await readFile(task.path), task.spec);
  const loadMs = performance.now() - start;
  const firstStart = performance.now();
  await engine.run(task.feeds);
  const firstRunMs = performance.now() - firstStart;
  for (let i = 1; i < task.runs; i++) await engine.run(task.feeds);
  const peak = Math.max(peakRssBytes(), baselineRssBytes);
  return {
    ok: true,
    report: { kind: "memory", baselineRssBytes, peakRssBytes: peak, growthBytes: peak - baselineRssBytes, loadMs, firstRunMs },
  };
}

function answer(message: MemoryAnswer): void {
  process.send?.(message, undefined, undefined, () => process.disconnect());
}

process.once("message", (task: MemoryTask) => {
  work(task).then(answer, (error: unknown) => answer({ ok: false, why: wordsOf(error).replaceAll(task.path, "the file") }));
});
