import type { Embeddings } from "@tessera/core/biometrics/similarity";
import { normaliseRows } from "@tessera/core/biometrics/similarity";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds, Runtime } from "@tessera/core/graph/runtime";
import { f32 } from "@tessera/core/graph/tensor";
import type { FaceEmbeddingCard } from "@tessera/core/modality/card";
import { cropAt, type FaceCrops, selectCrops } from "@tessera/core/modality/face/crops";
import { embedCrops } from "@tessera/core/modality/face/embed";
import { channelsOf, writePixels } from "@tessera/core/signal/pixels";
import { cardSession } from "./card-terms.ts";

/** Sessions that embed side by side. */
const WORKERS = 2;

/** Embeddings as a network gave them, and brought to unit length. */
export interface Embedded {
  readonly raw: Embeddings;
  readonly unit: Embeddings;
}

/**
 * Embeds all crops with a model file, over a few sessions at once, and normalises to unit length. Rows in the order of the crops. The file may have
 * the picture in another layout than the card, and integers with a scale.
 */
export async function embedAll(
  runtime: Runtime,
  bytes: Uint8Array,
  options: {
    readonly card: FaceEmbeddingCard;
    readonly crops: FaceCrops;
    readonly externalData?: ReadonlyMap<string, Uint8Array>;
    readonly onProgress?: (done: number) => void;
    readonly signal?: AbortSignal;
  },
): Promise<Embedded> {
  const { card, crops, signal, externalData } = options;
  const dim = card.output.dimension;
  const data = new Float32Array(crops.count * dim);
  const parts = Array.from({ length: WORKERS }, (_, w) =>
    Array.from({ length: crops.count }, (_, i) => i).filter((i) => i % WORKERS === w),
  );
  const done = parts.map(() => 0);
  await Promise.all(
    parts.map(async (rows, w) => {
      const own = await runtime.load(bytes, { threads: 1, ...(externalData?.size ? { externalData } : {}) });
      try {
        const session = cardSession(own, card);
        const part = await embedCrops({ session, card }, selectCrops(crops, rows), {
          ...(signal === undefined ? {} : { signal }),
          onProgress: (count) => {
            done[w] = count;
            options.onProgress?.(done.reduce((a, b) => a + b, 0));
          },
        });
        rows.forEach((row, i) => {
          data.set(part.data.subarray(i * dim, (i + 1) * dim), row * dim);
        });
      } finally {
        await own.close();
      }
    }),
  );
  const raw: Embeddings = { kind: "embeddings", count: crops.count, dim, data };
  return { raw, unit: normaliseRows(raw) };
}

/** The batch size that a model insists on; 1 where it is free. */
export function batchOf(model: Model, card: FaceEmbeddingCard): number {
  const type = model.graph.inputs.find((input) => input.name === card.input.tensor)?.type;
  const size = type?.kind === "tensor" ? type.shape?.[0] : undefined;
  return typeof size === "number" && size > 0 ? size : 1;
}

/** The input tensors of some crops, one at a time, for calibration: memory does not grow with their number. */
export function* cropFeeds(card: FaceEmbeddingCard, crops: FaceCrops, rows: readonly number[], batch = 1): Generator<Feeds> {
  const { input } = card;
  const channels = channelsOf(input);
  const size = channels * input.width * input.height;
  for (const row of rows) {
    const data = new Float32Array(size * batch);
    for (let b = 0; b < batch; b++) writePixels(cropAt(crops, row), input, { out: data, offset: b * size });
    const shape =
      input.layout === "NCHW" ? [batch, channels, input.height, input.width] : [batch, input.height, input.width, channels];
    yield new Map([[input.tensor, f32(shape, data)]]);
  }
}
