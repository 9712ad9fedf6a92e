import { fail } from "@tessera/core/base/error";
import { type Random, seededRandom } from "@tessera/core/base/random";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model, ValueInfo } from "@tessera/core/graph/model";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { countOf, f32 } from "@tessera/core/graph/tensor";
import type { ModelCard } from "@tessera/core/modality/card";
import { inferTypes } from "@tessera/core/ops/infer-types";
import {
  noisePicture,
  normDistance,
  normPlaces,
  PICTURE_NOISE,
  PICTURE_NOISES,
  type PictureNoise,
} from "@tessera/core/quant/synthetic";
import { channelsOf, writePixels } from "@tessera/core/signal/pixels";
import { sha256 } from "../io/files.ts";
import type { Inputs } from "./feeds.ts";

/** Inputs that were made up, and how. */
export interface SyntheticInputs extends Inputs {
  readonly digest: string;
  readonly synthetic: string;
}

/** What {@link syntheticInputs} needs. */
export interface SyntheticRequest {
  /** The network as its file has it: normalisations that were not folded yet tell what it was trained on. */
  readonly model: Model;
  /** How pictures become its input; without one, inputs are of mean 0 and variance 1. */
  readonly card: (ModelCard & { readonly input: { readonly kind: string } }) | undefined;
  readonly open: (bytes: Uint8Array) => Promise<Session>;
  readonly count: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** Number of made-up inputs. */
export const SYNTHETIC_SAMPLES = 128;

/** Inputs for each kind of noise that is tried. */
const TRIED = 6;

/**
 * Inputs to calibrate on where there is no data: noise with the spectrum of photographs in the terms of the card, of the kind that fits the batch
 * normalisations of the network best, where it still has them. They find ranges of about the right size and no more; what they cost has to be
 * measured on real inputs.
 *
 * @throws DATA_MISSING for an input that is no float32 tensor
 */
export async function syntheticInputs(request: SyntheticRequest): Promise<SyntheticInputs> {
  const { model, open, count, seed, signal } = request;
  const typed = inferTypes(model);
  const places = normPlaces(typed);
  const hasPicture = model.graph.inputs.some((input) => pictureOf(input) !== undefined);
  let noise: PictureNoise = PICTURE_NOISE;
  let fit = "the network has no batch normalisation left to be matched";
  if (places.length > 0 && hasPicture) {
    let least = Number.POSITIVE_INFINITY;
    for (const tried of PICTURE_NOISES) {
      const distance = await normDistance(typed, places, draw(request, tried, TRIED, seed + 1), {
        open: (exposed) => open(modelToOnnx(exposed)),
        signal,
      });
      if (distance >= least) continue;
      [least, noise] = [distance, tried];
    }
    fit = `nearest of ${PICTURE_NOISES.length} kinds to ${places.length} batch normalisations, distance ${least.toPrecision(3)}`;
  }
  const kind = hasPicture ? `noise like photographs (slope ${noise.slope}, contrast ${noise.contrast}; ${fit})` : "normal noise";
  const synthetic = `${kind}, seed ${seed}`;
  return {
    says: `${count} synthetic inputs: ${synthetic}`,
    count,
    digest: sha256(`${synthetic}, ${count} samples`),
    synthetic,
    feeds: (limit = count) => draw(request, noise, Math.min(limit, count), seed),
  };
}

/** The sizes of an input that is a picture: of rank 4, of one or three channels at either place. */
function pictureOf({ type }: ValueInfo): { readonly isLast: boolean; readonly shape: readonly number[] } | undefined {
  if (type.kind !== "tensor" || type.dtype !== "float32" || type.shape?.length !== 4) return undefined;
  const shape = type.shape.map((d) => (typeof d === "number" ? d : 1));
  const isChannels = (axis: number): boolean => shape[axis] === 1 || shape[axis] === 3;
  const isWide = (a: number, b: number): boolean => (shape[a] as number) >= 8 && (shape[b] as number) >= 8;
  if (isChannels(1) && isWide(2, 3)) return { isLast: false, shape };
  return isChannels(3) && isWide(1, 2) ? { isLast: true, shape } : undefined;
}

function* draw(request: SyntheticRequest, noise: PictureNoise, count: number, seed: number): Generator<Feeds> {
  const random = seededRandom(seed);
  for (let i = 0; i < count; i++)
    yield new Map(request.model.graph.inputs.map((input) => [input.name, tensorFor(input, request, random, noise)] as const));
}

function tensorFor(input: ValueInfo, { card, model }: SyntheticRequest, random: Random, noise: PictureNoise) {
  const { type, name } = input;
  if (type.kind !== "tensor" || type.dtype !== "float32" || type.shape === undefined)
    throw fail("DATA_MISSING", `Cannot make up values for input ${name}: it is no float32 tensor of known rank`, {
      at: { tensor: name },
      hint: "Give real samples with --inputs",
    });
  const picture = pictureOf(input);
  const shape = type.shape.map((d) => (typeof d === "number" ? d : 1));
  const out = new Float32Array(countOf(shape));
  if (picture === undefined) {
    for (let i = 0; i < out.length; i++) out[i] = random.normal();
    return f32(shape, out);
  }
  const [channels, height, width] = (picture.isLast ? [shape[3], shape[1], shape[2]] : [shape[1], shape[2], shape[3]]) as [
    number,
    number,
    number,
  ];
  const size = channels * height * width;
  const isOnlyInput = model.graph.inputs.length === 1;
  for (let b = 0; b < (shape[0] as number); b++) {
    const pixels = noisePicture(random, { channels, height, width }, noise);
    const terms = card?.input.kind === "image" && (isOnlyInput || card.input.tensor === name) ? card.input : undefined;
    if (terms !== undefined && channelsOf(terms) === channels) {
      const data = new Uint8Array(size);
      // Pictures stand with their channels last.
      for (let i = 0; i < size; i++)
        data[(i % (height * width)) * channels + Math.floor(i / (height * width))] = Math.round(255 * (pixels[i] as number));
      const layout = picture.isLast ? ("NHWC" as const) : ("NCHW" as const);
      const image = { kind: "image" as const, width, height, channels: channels as 1 | 3, data };
      writePixels(image, { ...terms, layout }, { out, offset: b * size });
      continue;
    }
    const { contrast } = PICTURE_NOISE;
    for (let i = 0; i < size; i++) {
      const place = picture.isLast ? (i % (height * width)) * channels + Math.floor(i / (height * width)) : i;
      out[b * size + place] = ((pixels[i] as number) - 0.45) / contrast;
    }
  }
  return f32(shape, out);
}
