import { smallOnnxModel } from "@tessera/testkit/onnx-records";
import { describe, expect, it } from "vitest";
import { detectFormat } from "./detect-format.ts";
import { writeOnnx } from "./onnx/write.ts";

describe("telling formats apart", () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const onnx = writeOnnx(smallOnnxModel());

  it("knows FlatBuffers by their identifier and ONNX by its fields", () => {
    expect(detectFormat(text("\u001c\0\0\0ORTM\0\0\0\0"))).toBe("ort");
    expect(detectFormat(text("\u001c\0\0\0TFL3\0\0\0\0"))).toBe("tflite");
    expect(detectFormat(onnx)).toBe("onnx");
  });

  it("knows an ONNX file by any part that it begins with", () => {
    for (let length = 1; length <= onnx.length; length++) expect(detectFormat(onnx.subarray(0, length))).toBe("onnx");
  });

  it.each([
    ["nothing", new Uint8Array()],
    ["a ZIP", text("PK\u0003\u0004\u0014\0\0\0\u0008\0")],
    ["JSON", text('{"model": "onnx"}')],
    ["a PNG", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)],
    ["zeros", new Uint8Array(64)],
    ["words", text("Copyright and so on and so on\n")],
    ["a message of another schema", Uint8Array.of(0x0a, 0x03, 0x61, 0x62, 0x63)],
  ])("does not take %s for a model", (_, bytes) => {
    expect(detectFormat(bytes)).toBe("unknown");
  });
});
