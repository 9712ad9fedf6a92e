import { describe, expect, test } from "vitest";
import { imageOf } from "./image.ts";
import { type PixelContract, pixelValues, writePixels } from "./pixels.ts";

const image = imageOf(2, 1, 3, Uint8Array.of(10, 20, 30, 40, 50, 60));
const plain: PixelContract = { layout: "NCHW", colour: "RGB", scale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

describe("pixels as numbers", () => {
  test("NCHW puts planes, NHWC interleaves, BGR exchanges", () => {
    expect([...pixelValues(image, plain)]).toEqual([10, 40, 20, 50, 30, 60]);
    expect([...pixelValues(image, { ...plain, layout: "NHWC" })]).toEqual([10, 20, 30, 40, 50, 60]);
    expect([...pixelValues(image, { ...plain, colour: "BGR" })]).toEqual([30, 60, 20, 50, 10, 40]);
    expect([...pixelValues(image, { ...plain, colour: "BGR", layout: "NHWC" })]).toEqual([30, 20, 10, 60, 50, 40]);
  });

  test("value = (x / scale - mean) / std, mean and std in the order of the tensor", () => {
    const contract: PixelContract = { layout: "NHWC", colour: "BGR", scale: 255, mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 2] };
    const expected = [(30 / 255 - 0.1) / 0.5, (20 / 255 - 0.2) / 0.25, (10 / 255 - 0.3) / 2].map(Math.fround);
    expect([...pixelValues(image, contract)].slice(0, 3)).toEqual(expected);
  });

  test("a grey picture is repeated over three channels; colour is not squeezed into a grey input", () => {
    const grey = imageOf(2, 1, 1, Uint8Array.of(7, 9));
    expect([...pixelValues(grey, plain)]).toEqual([7, 9, 7, 9, 7, 9]);
    const one: PixelContract = { ...plain, colour: "GREY", mean: [0], std: [1] };
    expect([...pixelValues(grey, one)]).toEqual([7, 9]);
    expect(() => pixelValues(image, one)).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });

  test("writes at an offset and refuses a target that is too short", () => {
    const out = new Float32Array(8);
    writePixels(image, plain, { out, offset: 2 });
    expect([...out]).toEqual([0, 0, 10, 40, 20, 50, 30, 60]);
    expect(() => writePixels(image, plain, { out, offset: 3 })).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    expect(() => writePixels(image, { ...plain, std: [1] }, { out })).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
  });
});
