import type { Shape } from "@tessera/core/graph/dim";
import type { ValueInfo } from "@tessera/core/graph/model";
import type { Session } from "@tessera/core/graph/runtime";
import type { ImageCard } from "@tessera/core/modality/card";
import { batchShape } from "@tessera/core/modality/face/embed";
import { type Presented, presentSession } from "../io/present.ts";

/** The shape that a card's picture has in a layout, its batch left open. */
function cardShape({ input }: ImageCard, layout: ImageCard["input"]["layout"]): Shape {
  const [, ...rest] = batchShape({ ...input, layout }, 1);
  return ["batch", ...rest];
}

/** Whether a shape is that of the card's picture in a layout. */
function isLaid(shape: Shape, card: ImageCard, layout: ImageCard["input"]["layout"]): boolean {
  const like = cardShape(card, layout);
  return shape.length === like.length && like.every((size, i) => i === 0 || shape[i] === size);
}

/**
 * The card of the same network in another file: the layout is that of the file's own input, told from the card's width, height and channels. A card
 * is left as it is where the file has no input of its name, where the sizes fit neither layout, and where they fit both.
 */
export function cardFor<T extends ImageCard>(card: T, inputs: readonly ValueInfo[]): T {
  const type = inputs.find((input) => input.name === card.input.tensor)?.type;
  const shape = type?.kind === "tensor" ? type.shape : undefined;
  if (shape === undefined || isLaid(shape, card, card.input.layout)) return card;
  const other = card.input.layout === "NCHW" ? "NHWC" : "NCHW";
  return isLaid(shape, card, other) ? { ...card, input: { ...card.input, layout: other } } : card;
}

/**
 * A session in the terms of a card: pictures in the card's layout, floats where the file has integers with a scale.
 *
 * @throws SHAPE_MISMATCH when the file's input is not the card's picture in either layout
 */
export function cardSession(session: Session, card: ImageCard): Presented {
  const floats = (value: ValueInfo, shape: Shape | undefined): ValueInfo => {
    const dtype = session.encodings?.has(value.name) || value.type.kind !== "tensor" ? "float32" : value.type.dtype;
    return { ...value, type: { kind: "tensor", dtype, shape } };
  };
  const ownShape = ({ type }: ValueInfo): Shape | undefined => (type.kind === "tensor" ? type.shape : undefined);
  return presentSession(session, {
    inputs: session.inputs.map((input) =>
      input.name === card.input.tensor && ownShape(input)?.length === 4
        ? floats(input, cardShape(card, card.input.layout))
        : floats(input, ownShape(input)),
    ),
    // Sizes that a file declares for its outputs need not be those that come out.
    outputs: session.outputs.map((output) => floats(output, undefined)),
  });
}
