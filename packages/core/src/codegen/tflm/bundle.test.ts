import { describe, expect, test } from "vitest";
import { type TflmArena, tflmArena, tflmScratchBytes } from "./arena.ts";
import { type TflmBundle, tflmFiles } from "./bundle.ts";

const arena = (bytes: number): TflmArena => ({ plannedBytes: bytes, persistentBytes: 0, marginBytes: 0, bytes, says: "" });

const BUNDLE: TflmBundle = {
  name: "door_face",
  model: Uint8Array.of(1, 2, 255),
  sha256: "ab",
  operators: ["CONV_2D", "SOFTMAX"],
  inputs: [{ name: "in*/\\\n#error", dtype: "int8", shape: [1, 2, 2, 3], scale: 0.5, zeroPoint: -3 }],
  outputs: [{ name: "out", dtype: "int8", shape: [1, 2] }],
  arenas: { reference: arena(16), "cmsis-nn-dsp": arena(32), "cmsis-nn-mve": arena(48) },
  selfTest: { input: Uint8Array.of(7, 8), output: Uint8Array.of(9), tolerance: "exact" },
};

describe("a bundle for TensorFlow Lite for Microcontrollers", () => {
  test("registers exactly the operators of the file, each failure by itself", () => {
    const text = tflmFiles(BUNDLE).get("door_face_resolver.h") as string;
    expect(text).toContain("tflite::MicroMutableOpResolver<2>");
    expect(text.match(/resolver\.Add\w+\(\)/g)).toEqual(["resolver.AddConv2D()", "resolver.AddSoftmax()"]);
    expect(text.match(/!= kTfLiteOk\) return kTfLiteError;/g)).toHaveLength(2);
  });

  test("holds the model aligned, and sizes of the arena for each build", () => {
    const files = tflmFiles(BUNDLE);
    expect(files.get("door_face_model.cc")).toContain(
      "alignas(16) const unsigned char door_face_model[] = {\n    1, 2, 255,\n};",
    );
    const header = files.get("door_face_model.h") as string;
    expect(header.match(/ARENA_BYTES \d+/g)).toEqual(["ARENA_BYTES 48", "ARENA_BYTES 32", "ARENA_BYTES 16"]);
    expect(header).toContain("real = (q - -3) * 0.5");
  });

  test("lets no name of the file end a comment or begin a line", () => {
    const header = tflmFiles(BUNDLE).get("door_face_model.h") as string;
    expect(header).toContain("// Input 0: in_/___error int8[1, 2, 2, 3]");
    expect(header).not.toContain("#error");
  });

  test("refuses an operator that the resolver does not have, by name", () => {
    expect(() => tflmFiles({ ...BUNDLE, operators: ["CONV_2D", "TILE"] })).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_OP", message: expect.stringContaining("no integer TILE") }),
    );
  });
});

describe("the arena on a 32-bit processor", () => {
  test("is that of the two networks that were built for Cortex-M4, and a margin", () => {
    const persistent = (operators: number, tensors: number, channels: number): number =>
      tflmArena(0, { operators, tensors, channels }).persistentBytes;
    expect(persistent(31, 89, 2736)).toBe(26_932);
    expect(persistent(13, 35, 576)).toBe(6_772);
    expect(tflmArena(1000, { operators: 1, tensors: 1, channels: 0 })).toMatchObject({ marginBytes: 1024, bytes: 2304 });
  });

  test("has the scratch memory that CMSIS-NN's convolutions ask for", () => {
    const conv = { kind: "conv", window: [3, 3], strides: [2, 2], inChannels: 3, outChannels: 8 } as const;
    expect(tflmScratchBytes(conv, "reference")).toBe(0);
    expect(tflmScratchBytes(conv, "cmsis-nn-dsp")).toBe(4 * 28);
    expect(tflmScratchBytes(conv, "cmsis-nn-mve")).toBe(4 * 32);
    expect(tflmScratchBytes({ ...conv, window: [1, 1], strides: [1, 1] }, "cmsis-nn-dsp")).toBe(0);
    const depthwise = { ...conv, kind: "depthwise", inChannels: 8 } as const;
    expect(tflmScratchBytes(depthwise, "cmsis-nn-dsp")).toBe(0);
    expect(tflmScratchBytes({ ...depthwise, window: [7, 7] }, "cmsis-nn-dsp")).toBe(2 * 8 * 49);
    expect(tflmScratchBytes(depthwise, "cmsis-nn-mve")).toBe(4 * 124 * 9);
  });
});
