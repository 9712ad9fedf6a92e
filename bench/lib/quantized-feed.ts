import { permuted } from "@tessera/core/convert/tflite/raise/permute";
import { quantizeTensor } from "@tessera/core/graph/quantize";
import type { Session } from "@tessera/core/graph/runtime";
import type { Tensor } from "@tessera/core/graph/tensor";

/** A picture [1, C, H, W] of floats as a session takes it: channels last where it wants them so, in integers where its input has an encoding. */
export function quantizedFeed(session: Session, input: string, picture: Tensor): Tensor {
  const port = session.inputs.find((p) => p.name === input);
  const shape = port?.type.kind === "tensor" ? port.type.shape : undefined;
  const channels = picture.shape[1];
  const turned = shape?.[1] !== channels && shape?.[3] === channels ? permuted(picture, [0, 2, 3, 1]) : picture;
  const grid = session.encodings?.get(input);
  return grid === undefined ? turned : quantizeTensor(turned, grid);
}
