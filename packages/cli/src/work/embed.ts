import { at, invariant } from "@tessera/core/base/assert";
import type { Embeddings } from "@tessera/core/biometrics/similarity";
import { normaliseRows } from "@tessera/core/biometrics/similarity";
import type { Runtime, Session } from "@tessera/core/graph/runtime";
import { embedCrops } from "@tessera/core/modality/face/embed";
import { embedWindows } from "@tessera/core/modality/voice/embed";
import { cardSession } from "./card-terms.ts";
import { type EmbeddingCard, isFaceCard, type Samples, selectSamples } from "./samples.ts";

/** Sessions that embed side by side. */
const WORKERS = 2;

/** Embeddings as a network gave them, and brought to unit length. */
export interface Embedded {
  readonly raw: Embeddings;
  readonly unit: Embeddings;
}

/**
 * Embeds all samples with a model file, over a few sessions at once, and normalises to unit length. Rows in the order of the samples. The file may have
 * the input in another layout than the card, and integers with a scale.
 */
export async function embedAll(
  runtime: Runtime,
  bytes: Uint8Array,
  options: {
    readonly card: EmbeddingCard;
    readonly samples: Samples;
    readonly externalData?: ReadonlyMap<string, Uint8Array>;
    readonly onProgress?: (done: number) => void;
    readonly signal?: AbortSignal;
  },
): Promise<Embedded> {
  const { card, samples, signal, externalData } = options;
  const dim = card.output.dimension;
  const data = new Float32Array(samples.count * dim);
  const parts = Array.from({ length: WORKERS }, (_, w) =>
    Array.from({ length: samples.count }, (_, i) => i).filter((i) => i % WORKERS === w),
  );
  const done = parts.map(() => 0);
  await Promise.all(
    parts.map(async (rows, w) => {
      const own = await runtime.load(bytes, { threads: 1, ...(externalData?.size ? { externalData } : {}) });
      try {
        const part = await embedPart(cardSession(own, card), card, selectSamples(samples, rows), {
          ...(signal === undefined ? {} : { signal }),
          onProgress: (count) => {
            done[w] = count;
            options.onProgress?.(done.reduce((a, b) => a + b, 0));
          },
        });
        rows.forEach((row, i) => {
          data.set(part.subarray(i * dim, (i + 1) * dim), row * dim);
        });
      } finally {
        await own.close();
      }
    }),
  );
  const raw: Embeddings = { kind: "embeddings", count: samples.count, dim, data };
  return { raw, unit: normaliseRows(raw) };
}

/** Embeddings one after the other; zeros where a sample was not acquired. */
async function embedPart(
  session: Session,
  card: EmbeddingCard,
  samples: Samples,
  options: { readonly onProgress: (done: number) => void; readonly signal?: AbortSignal },
): Promise<Float32Array> {
  if (isFaceCard(card)) {
    invariant(samples.kind === "crops", `voices for the card of faces "${card.name}"`);
    return (await embedCrops({ session, card }, samples, options)).data;
  }
  invariant(samples.kind === "windows", `faces for the card of voices "${card.name}"`);
  const { dimension } = card.output;
  const data = new Float32Array(samples.count * dimension);
  for (let row = 0; row < samples.count; row++) {
    options.signal?.throwIfAborted();
    const windows = at(samples.windows, row);
    if (windows.length > 0) data.set(await embedWindows({ session, card }, windows), row * dimension);
    options.onProgress(row + 1);
  }
  return data;
}
