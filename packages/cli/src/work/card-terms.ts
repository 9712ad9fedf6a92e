import type { Shape } from "@tessera/core/graph/dim";
import type { ValueInfo } from "@tessera/core/graph/model";
import type { Session } from "@tessera/core/graph/runtime";
import type { ImageCard, VoiceEmbeddingCard } from "@tessera/core/modality/card";
import { batchShape } from "@tessera/core/modality/face/embed";
import { IMAGE_ORDERS, type Presented, permuted, presentSession } from "../io/present.ts";

/** A card whose sample is one tensor of a known shape. */
type SampleCard = ImageCard | VoiceEmbeddingCard;

/** The shape that a card's sample has, its batch left open. */
function cardShape({ input }: SampleCard): Shape {
  return ["batch", ...(input.kind === "image" ? batchShape(input, 1).slice(1) : input.shape)];
}

/** Whether a shape is that of the card's sample. */
function isLaid(shape: Shape, card: SampleCard): boolean {
  const like = cardShape(card);
  return shape.length === like.length && like.every((size, i) => i === 0 || shape[i] === size);
}

/** The card with its channels at the other place: behind the batch, or last. Features have one channel, so that their order stays. */
function otherLayouts<T extends SampleCard>(card: T): readonly T[] {
  const { input } = card;
  if (input.kind === "image") return [{ ...card, input: { ...input, layout: input.layout === "NCHW" ? "NHWC" : "NCHW" } }];
  if (input.shape.length !== 3) return [];
  const shapes = IMAGE_ORDERS.map(({ to }) => permuted([1, ...input.shape], to).slice(1));
  return shapes.filter((shape) => sameOrder(input.shape, shape)).map((shape) => ({ ...card, input: { ...input, shape } }));
}

/** Whether two shapes hold the same numbers in the same order: they differ in axes of size 1. */
function sameOrder(a: readonly number[], b: readonly number[]): boolean {
  const wide = (shape: readonly number[]): string => shape.filter((size) => size > 1).join();
  return wide(a) === wide(b);
}

/**
 * The card of the same network in another file: the layout is that of the file's own input, told from the card's sizes. A card is left as it is where the
 * file has no input of its name, where the sizes fit neither layout, and where they fit both.
 */
export function cardFor<T extends SampleCard>(card: T, inputs: readonly ValueInfo[]): T {
  const type = inputs.find((input) => input.name === card.input.tensor)?.type;
  const shape = type?.kind === "tensor" ? type.shape : undefined;
  if (shape === undefined || isLaid(shape, card)) return card;
  return otherLayouts(card).find((other) => isLaid(shape, other)) ?? card;
}

/**
 * A session in the terms of a card: samples in the card's layout, floats where the file has integers with a scale.
 *
 * @throws SHAPE_MISMATCH when the file's input is not the card's sample in either layout
 */
export function cardSession(session: Session, card: SampleCard): Presented {
  const floats = (value: ValueInfo, shape: Shape | undefined): ValueInfo => {
    const dtype = session.encodings?.has(value.name) || value.type.kind !== "tensor" ? "float32" : value.type.dtype;
    return { ...value, type: { kind: "tensor", dtype, shape } };
  };
  const ownShape = ({ type }: ValueInfo): Shape | undefined => (type.kind === "tensor" ? type.shape : undefined);
  return presentSession(session, {
    inputs: session.inputs.map((input) =>
      input.name === card.input.tensor && ownShape(input)?.length === 4
        ? floats(input, cardShape(card))
        : floats(input, ownShape(input)),
    ),
    // Sizes that a file declares for its outputs need not be those that come out.
    outputs: session.outputs.map((output) => floats(output, undefined)),
  });
}
