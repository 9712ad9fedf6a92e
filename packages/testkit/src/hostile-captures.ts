import { seededRandom } from "@tessera/core/base/random";
import type { Pipeline, Probe } from "@tessera/gateway/pipeline/pipeline";
import { expect } from "vitest";
import { mutate } from "./mutate.ts";

/** What became of damaged captures, by the note they got; "usable" for those that went through all networks. */
export type HostileTally = Readonly<Record<string, number>>;

/** How many damaged captures {@link probeDamaged} sends, and from which seed. */
export interface HostileOptions {
  readonly modality: "face" | "voice";
  readonly count: number;
  readonly seed: number;
}

/** Captures on their way at a time. */
const LANES = 4;

/**
 * Sends damaged files through a pipeline, which must answer each: with a note, or as if nothing were wrong. An error of any kind fails, and so does a
 * number in an answer that JSON cannot hold.
 */
export async function probeDamaged(
  pipeline: Pipeline,
  files: readonly Uint8Array[],
  options: HostileOptions,
): Promise<HostileTally> {
  const { modality, count, seed } = options;
  const tally: Record<string, number> = {};
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const number = next++;
      const file = files[number % files.length] as Uint8Array;
      const { bytes, steps } = mutate(file, seededRandom(seed + number), { donors: files, maxBytes: 1 << 20 });
      const says = `${modality} file ${number % files.length}, seed ${seed + number}, ${steps.join(" ")}`;
      let probe: Probe;
      try {
        probe = await pipeline.probe(modality, bytes);
      } catch (cause) {
        throw new Error(`no answer to ${says}`, { cause });
      }
      checkAnswer(probe, says);
      const outcome = probe.notes[0]?.code ?? (probe.embedding ? "usable" : "not live");
      tally[outcome] = (tally[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return tally;
}

function checkAnswer(probe: Probe, says: string): void {
  const { embedding, quality, stages, liveness } = probe;
  if (embedding !== undefined) expect(Math.hypot(...embedding), says).toBeCloseTo(1, 4);
  if (probe.notes.length > 0) expect([embedding, liveness], says).toEqual([undefined, undefined]);
  const figures = [...Object.values(quality).flat(), ...stages.map((stage) => stage.ms), ...(liveness ? [liveness.real] : [])];
  for (const figure of figures) expect(Number.isFinite(figure), `${says}: ${JSON.stringify(quality)}`).toBe(true);
}
