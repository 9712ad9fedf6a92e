import { join } from "node:path";
import { fail, isTesseraError } from "@tessera/core/base/error";
import type { Manifest } from "@tessera/core/biometrics/dataset";
import type { VoiceEmbeddingCard } from "@tessera/core/modality/card";
import { voiceFeatures } from "@tessera/core/modality/voice/embed";
import { decodeWav } from "@tessera/core/signal/wav";
import { readBytes, sha256 } from "../io/files.ts";
import type { Progress } from "../ui/progress.ts";
import { type PeopleData, readPeople } from "./people-data.ts";
import type { VoiceWindows } from "./samples.ts";

/** How voices are got out of recordings. */
export interface VoiceDataOptions {
  readonly card: VoiceEmbeddingCard;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Reads a data folder of WAV files and makes of each recording what the card's network looks at. Recordings that give nothing, too short or unreadable,
 * are failures to acquire.
 *
 * @throws DATASET_INVALID, IO
 */
export async function loadVoiceData(
  folder: string,
  options: VoiceDataOptions,
): Promise<PeopleData & { readonly samples: VoiceWindows }> {
  return readPeople(folder, async (manifest) => {
    const samples = await windowsOf(folder, manifest, options);
    const [first] = samples.failures;
    if (first !== undefined && samples.failures.length === samples.count)
      throw fail(
        "DATASET_INVALID",
        `Cannot use ${folder}: none of its ${samples.count} recordings can be used; ${first.name}: ${first.message}`,
        {
          at: { file: join(folder, "manifest.csv") },
          hint: `The card "${options.card.name}" is of a voice network: --data must hold WAV files`,
        },
      );
    const digests = samples.windows.map((windows) =>
      windows.map((w) => sha256(new Uint8Array(w.buffer, w.byteOffset, w.byteLength))),
    );
    return { samples, digest: sha256(JSON.stringify(digests)) };
  });
}

/** Between two looks at whether somebody wants to stop, recordings. */
const BREATH = 16;

async function windowsOf(folder: string, { paths }: Manifest, options: VoiceDataOptions): Promise<VoiceWindows> {
  const { card, progress, signal } = options;
  progress.stage("listening to recordings", paths.length);
  const windows: (readonly Float32Array[])[] = [];
  const failures: VoiceWindows["failures"][number][] = [];
  for (const [i, name] of paths.entries()) {
    // Features are made on this thread: Ctrl-C must get through.
    if (i % BREATH === 0) await new Promise((done) => setImmediate(done));
    signal.throwIfAborted();
    const bytes = readBytes(join(folder, name));
    try {
      windows.push(voiceFeatures(card, decodeWav(bytes)));
    } catch (error) {
      if (!isTesseraError(error) || error.code !== "AUDIO_INVALID") throw error;
      windows.push([]);
      failures.push({ name, used: "nothing", message: error.message });
    }
    progress.at(i + 1);
  }
  const acquired = Uint8Array.from(windows, (own) => (own.length > 0 ? 1 : 0));
  return { kind: "windows", count: paths.length, names: paths, windows, acquired, failures };
}
