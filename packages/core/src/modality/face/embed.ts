import { fail } from "../../base/error.ts";
import type { Embeddings } from "../../biometrics/similarity.ts";
import type { Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import type { Image } from "../../signal/image.ts";
import { channelsOf, type PixelContract, writePixels } from "../../signal/pixels.ts";
import type { FaceEmbeddingCard } from "../card.ts";
import { type AcquireOptions, acquireEach, type FaceSource } from "./acquire.ts";
import { type AcquisitionFailure, cropAt, type FaceCrops } from "./crops.ts";
import type { FaceDetector } from "./detect.ts";

/** An embedding network: a loaded model and the card that says how to feed it. */
export interface FaceEmbedder {
  readonly session: Session;
  readonly card: FaceEmbeddingCard;
}

/** Options of {@link embedCrops}. */
export interface EmbedOptions {
  /** Faces per run where the model's batch size is symbolic; a fixed batch size of the model wins. */
  readonly batch: number;
  /** Another pre-processing than the card's, for the contract test. */
  readonly pixels?: PixelContract;
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Defaults of {@link embedCrops}. */
export const EMBED_DEFAULTS: EmbedOptions = { batch: 8 };

/** f32[count, dim], row by row, as the network gives them (not normalised unless the network does it). */
export interface FaceEmbeddings extends Embeddings {
  /** u8[count]: 0 where no face was acquired; such rows are zero and must be left out of every comparison. */
  readonly acquired: Uint8Array;
}

/**
 * Embeds aligned faces. Rows that were not acquired are not run. The last batch of a fixed-batch model is filled up with its last face.
 * @throws SHAPE_MISMATCH when the crops do not have the input's size, DATA_MISSING when the model lacks the card's tensor, RUNTIME_FAILED
 */
export async function embedCrops(
  embedder: FaceEmbedder,
  crops: FaceCrops,
  options: Partial<EmbedOptions> = {},
): Promise<FaceEmbeddings> {
  const settings: EmbedOptions = { ...EMBED_DEFAULTS, ...options };
  const { dimension } = embedder.card.output;
  const data = new Float32Array(crops.count * dimension);
  const feeder = batchFeeder(embedder, settings);
  let rows: number[] = [];
  for (let row = 0; row < crops.count; row++) {
    if (crops.acquired[row] === 1) rows.push(row);
    if (rows.length < feeder.batch && row < crops.count - 1) continue;
    settings.signal?.throwIfAborted();
    await feeder.run(
      rows.map((i) => cropAt(crops, i)),
      (i, embedding) => data.set(embedding, (rows[i] as number) * dimension),
    );
    rows = [];
    settings.onProgress?.(row + 1);
  }
  return { kind: "embeddings", count: crops.count, dim: dimension, data, acquired: crops.acquired };
}

/** Result of {@link embedMany}. */
export interface EmbeddedFaces extends FaceEmbeddings {
  readonly names: readonly string[];
  readonly failures: readonly AcquisitionFailure[];
}

/**
 * Pictures to embeddings: load, detect, choose, align, embed, holding no more pictures than a batch. Row i belongs to source i.
 * @throws as {@link acquireEach} and {@link embedCrops}
 */
export async function embedMany(
  tools: { readonly detector: FaceDetector; readonly embedder: FaceEmbedder },
  sources: Iterable<FaceSource> | AsyncIterable<FaceSource>,
  options: Partial<AcquireOptions> & { readonly batch?: number } = {},
): Promise<EmbeddedFaces> {
  const { detector, embedder } = tools;
  const { dimension } = embedder.card.output;
  const feeder = batchFeeder(embedder, { batch: options.batch ?? EMBED_DEFAULTS.batch });
  const names: string[] = [];
  const failures: AcquisitionFailure[] = [];
  const rows: (Float32Array | undefined)[] = [];
  let waiting: { readonly row: number; readonly crop: Image }[] = [];
  const flush = async (): Promise<void> => {
    const batch = waiting;
    waiting = [];
    await feeder.run(
      batch.map((entry) => entry.crop),
      (i, embedding) => {
        rows[(batch[i] as { readonly row: number }).row] = embedding.slice();
      },
    );
  };
  for await (const { index, name, crop, failure } of acquireEach({ detector, card: embedder.card }, sources, options)) {
    names.push(name);
    rows.push(undefined);
    if (failure) failures.push(failure);
    if (crop) waiting.push({ row: index, crop });
    if (waiting.length === feeder.batch) await flush();
  }
  await flush();
  const data = new Float32Array(rows.length * dimension);
  const acquired = new Uint8Array(rows.length);
  for (const [i, row] of rows.entries()) {
    if (row === undefined) continue;
    data.set(row, i * dimension);
    acquired[i] = 1;
  }
  return { kind: "embeddings", count: rows.length, dim: dimension, data, acquired, names, failures };
}

interface BatchFeeder {
  /** Faces per run. */
  readonly batch: number;
  /** Runs at most `batch` faces and hands each embedding (a view, valid during the call) to `take`. */
  readonly run: (crops: readonly Image[], take: (index: number, embedding: Float32Array) => void) => Promise<void>;
}

/** The shape of the tensor a batch of pictures makes: [N, C, H, W] or [N, H, W, C]. */
export function batchShape(
  input: Pick<PixelContract, "layout" | "colour"> & { readonly width: number; readonly height: number },
  batch: number,
): readonly number[] {
  const channels = channelsOf(input);
  return input.layout === "NCHW" ? [batch, channels, input.height, input.width] : [batch, input.height, input.width, channels];
}

/** The batch size a session insists on, or `undefined` where it is free. @throws DATA_MISSING when it has no input of that name. */
export function fixedBatch(session: Session, tensor: string): number | undefined {
  const info = session.inputs.find((input) => input.name === tensor);
  if (info === undefined) {
    throw fail("DATA_MISSING", `Cannot feed "${tensor}": the model's inputs are ${session.inputs.map((i) => i.name).join(", ")}`);
  }
  const size = info.type.kind === "tensor" ? info.type.shape?.[0] : undefined;
  return typeof size === "number" && size > 0 ? size : undefined;
}

function batchFeeder({ session, card }: FaceEmbedder, settings: EmbedOptions): BatchFeeder {
  const { input, output } = card;
  const fixed = fixedBatch(session, input.tensor);
  const batch = fixed ?? Math.max(1, Math.floor(settings.batch));
  const pixels = settings.pixels ?? input;
  const size = input.width * input.height * channelsOf(input);
  return {
    batch,
    run: async (crops, take) => {
      if (crops.length === 0) return;
      // Where the batch is free the last one is simply smaller; where it is fixed, copies of the last face fill it.
      const rows = fixed ?? crops.length;
      const data = new Float32Array(rows * size);
      for (const [i, crop] of crops.entries()) {
        if (crop.width !== input.width || crop.height !== input.height) {
          throw fail(
            "SHAPE_MISMATCH",
            `Cannot embed a crop of ${crop.width} x ${crop.height}: the card says ${input.width} x ${input.height}`,
          );
        }
        writePixels(crop, pixels, { out: data, offset: i * size });
      }
      for (let i = crops.length; i < rows; i++) data.copyWithin(i * size, (crops.length - 1) * size, crops.length * size);
      const results = await session.run(new Map([[input.tensor, f32(batchShape(input, rows), data)]]));
      const result = results.get(output.tensor);
      if (result === undefined) {
        throw fail(
          "DATA_MISSING",
          `Cannot embed faces: the model has no output "${output.tensor}", only ${[...results.keys()].join(", ")}`,
        );
      }
      const values = view(result, "float32");
      if (values.length !== rows * output.dimension) {
        throw fail(
          "SHAPE_MISMATCH",
          `Cannot embed faces: "${output.tensor}" is [${result.shape}], the card says ${output.dimension} numbers a face`,
        );
      }
      for (let i = 0; i < crops.length; i++) take(i, values.subarray(i * output.dimension, (i + 1) * output.dimension));
    },
  };
}
