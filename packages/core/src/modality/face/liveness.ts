import { fail } from "../../base/error.ts";
import type { Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import { crop, type Rect } from "../../signal/crop.ts";
import { type Image, toRgb } from "../../signal/image.ts";
import { pixelValues } from "../../signal/pixels.ts";
import { resize } from "../../signal/resize.ts";
import type { ImageClassCard } from "../card.ts";
import type { Face } from "./boxes.ts";
import { batchShape, fixedBatch } from "./embed.ts";

/** A network that tells a living face from a presented one, and its card. */
export interface LivenessJudge {
  readonly session: Session;
  readonly card: ImageClassCard;
}

/**
 * The part of a picture around a face that MiniFASNet wants: the box enlarged about its centre by `expand`, or by as much less as the whole
 * picture allows, and pushed back inside where it sticks out. Right and bottom edge are inclusive pixels, fractions are cut, as in training.
 * @throws IMAGE_INVALID when the box has no area or the picture is a single line
 */
export function expandBox(
  face: Pick<Face, "x" | "y" | "width" | "height">,
  image: Pick<Image, "width" | "height">,
  expand: number,
): Rect {
  const lastX = image.width - 1;
  const lastY = image.height - 1;
  const scale = Math.min(lastX / face.width, lastY / face.height, expand);
  if (!(face.width > 0 && face.height > 0 && scale > 0)) {
    throw fail(
      "IMAGE_INVALID",
      `Cannot enlarge a face box of ${face.width} x ${face.height} in a picture of ${image.width} x ${image.height}`,
    );
  }
  const [x, right] = inside(face.x + face.width / 2, face.width * scale, lastX);
  const [y, bottom] = inside(face.y + face.height / 2, face.height * scale, lastY);
  return { x, y, width: right - x + 1, height: bottom - y + 1 };
}

/** First and last whole pixel of a span of `length` about `centre`, moved (not cut) to lie within 0..last. */
function inside(centre: number, length: number, last: number): readonly [number, number] {
  let low = centre - length / 2;
  let high = centre + length / 2;
  if (low < 0) {
    high -= low;
    low = 0;
  }
  if (high > last) {
    low -= high - last;
    high = last;
  }
  return [Math.max(0, Math.trunc(low)), Math.min(last, Math.trunc(high))];
}

/** The picture a classifier sees, uint8, still in RGB: by the card's placement, "box" around the face or "stretch" of the whole picture. */
export function livenessCrop(judge: Pick<LivenessJudge, "card">, image: Image, face: Face | undefined): Image {
  const { placement, width, height } = judge.card.input;
  const rgb = toRgb(image);
  if (placement.kind === "stretch") return resize(rgb, { width, height });
  if (placement.kind !== "box")
    throw fail("CARD_INVALID", `Cannot judge liveness: the card's placement is "${placement.kind}", not box or stretch`);
  if (face === undefined)
    throw fail("FACE_NOT_FOUND", "Cannot judge liveness: the network looks at a face box and there is none");
  return resize(crop(rgb, expandBox(face, rgb, placement.expand)), { width, height });
}

/** What a liveness network says. */
export interface Liveness {
  /** Probability (softmax) or score of the positive class: 1 = a living face. */
  readonly real: number;
  /** Of every class. */
  readonly classes: readonly number[];
}

/**
 * Judges one face. @throws FACE_NOT_FOUND without a face where the card wants a box, CARD_INVALID for another placement, DATA_MISSING and
 * SHAPE_MISMATCH when card and model disagree, RUNTIME_FAILED
 */
export async function judgeLiveness(judge: LivenessJudge, image: Image, face: Face | undefined): Promise<Liveness> {
  const { session, card } = judge;
  const { input, output } = card;
  const pixels = pixelValues(livenessCrop(judge, image, face), input);
  const rows = fixedBatch(session, input.tensor) ?? 1;
  const data = new Float32Array(rows * pixels.length);
  for (let i = 0; i < rows; i++) data.set(pixels, i * pixels.length);
  const results = await session.run(new Map([[input.tensor, f32(batchShape(input, rows), data)]]));
  const result = results.get(output.tensor);
  if (result === undefined) throw fail("DATA_MISSING", `Cannot judge liveness: the model has no output "${output.tensor}"`);
  const values = view(result, "float32");
  if (values.length !== rows * output.classes) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot judge liveness: "${output.tensor}" is [${result.shape}], the card says ${output.classes} classes`,
    );
  }
  const scores = Array.from(values.subarray(0, output.classes));
  const classes = output.activation === "softmax" ? softmax(scores) : scores;
  return { real: classes[output.positive] as number, classes };
}

/** exp(x) / sum exp(x), shifted by the maximum. */
export function softmax(values: readonly number[]): readonly number[] {
  const top = Math.max(...values);
  const powers = values.map((v) => Math.exp(v - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}
