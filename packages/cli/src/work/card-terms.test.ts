import type { DType } from "@tessera/core/graph/dtype";
import { tensorType, type ValueInfo } from "@tessera/core/graph/model";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { f32, fromNumbers, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { faceEmbeddingCard } from "@tessera/core/modality/card";
import { cropsOf } from "@tessera/core/modality/face/crops";
import { embedCrops } from "@tessera/core/modality/face/embed";
import { cardOf } from "@tessera/testkit/cards";
import { describe, expect, test } from "vitest";
import { cardFor, cardSession } from "./card-terms.ts";

const card = faceEmbeddingCard(cardOf("mobilefacenet-sirius-192"));
const { tensor } = card.input;

const input = (shape: readonly (number | string)[], dtype: DType = "float32"): ValueInfo => ({
  name: tensor,
  type: tensorType(dtype, shape),
});

describe("the card of another file of the same network", () => {
  test("has the layout of that file's input", () => {
    expect(cardFor(card, [input([1, 3, 112, 112])]).input.layout).toBe("NCHW");
    expect(cardFor(card, [input(["N", 112, 112, 3])]).input.layout).toBe("NHWC");
    const back = cardFor(cardFor(card, [input([2, 3, 112, 112])]), [input([2, 112, 112, 3])]);
    expect(back).toEqual(card);
  });

  test("stays as it is where the file tells nothing", () => {
    for (const inputs of [[], [input([1, 3, 96, 96])], [input([1, 37_632])], [{ ...input([1, 3, 112, 112]), name: "other" }]])
      expect(cardFor(card, inputs)).toBe(card);
  });
});

/** A session whose embedding is the mean of each channel. */
function meansOf(shape: readonly number[], dtype: DType, encodings?: Session["encodings"]): Session & { readonly fed: Feeds[] } {
  const fed: Feeds[] = [];
  const channelsLast = shape[3] === 3;
  return {
    fed,
    inputs: [input(shape, dtype)],
    outputs: [{ name: card.output.tensor, type: tensorType(dtype, [1, 1, 1, 4]) }],
    ...(encodings === undefined ? {} : { encodings }),
    run: async (feeds) => {
      fed.push(feeds);
      const pixels = toNumbers(feeds.get(tensor) as Tensor);
      const out = new Float64Array((shape[0] as number) * 192);
      for (let b = 0; b < (shape[0] as number); b++)
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          for (let i = 0; i < 112 * 112; i++)
            sum += pixels[b * 37_632 + (channelsLast ? i * 3 + c : c * 112 * 112 + i)] as number;
          out[b * 192 + c] = Math.round(sum / (112 * 112));
        }
      return new Map([
        [
          card.output.tensor,
          dtype === "float32"
            ? f32([shape[0] as number, 192], Float32Array.from(out))
            : fromNumbers(dtype, [shape[0] as number, 192], out),
        ],
      ]);
    },
    time: async () => ({ wallMs: [], cpuMs: 0 }),
    close: async () => {},
  };
}

test("faces are fed to a file in its own layout and type, and the embedding is the same", async () => {
  const data = new Uint8Array(37_632);
  for (let i = 0; i < data.length; i++) data[i] = [255, 128, 0][i % 3] as number;
  const crops = cropsOf([{ kind: "image", width: 112, height: 112, channels: 3, data }], ["face"]);
  // (255 - 127.5) / 128 and so on, rounded by the session: 1, 0, -1.
  const grid = { dtype: "int8", scale: [1 / 64], zeroPoint: [5], reason: "" } as const;
  const sessions = [
    meansOf([1, 112, 112, 3], "float32"),
    meansOf([2, 112, 112, 3], "float32"),
    meansOf([1, 3, 112, 112], "float32"),
    meansOf(
      [1, 112, 112, 3],
      "int8",
      new Map([
        [tensor, grid],
        [card.output.tensor, grid],
      ]),
    ),
  ];
  for (const own of sessions) {
    const { data: embedding } = await embedCrops({ session: cardSession(own, card), card }, crops);
    const quantized = own.encodings !== undefined;
    const expected = quantized ? [64 / 64, 0, -1] : [1, 0, -1];
    for (const [c, wanted] of expected.entries()) expect(embedding[c]).toBeCloseTo(wanted, quantized ? 1 : 6);
    expect(own.fed[0]?.get(tensor)?.dtype).toBe(quantized ? "int8" : "float32");
  }
});

test("a picture of another size is refused, whatever its layout", () => {
  expect(() => cardSession(meansOf([1, 96, 96, 3], "float32"), card)).toThrow(
    expect.objectContaining({ code: "SHAPE_MISMATCH" }),
  );
});
