import { readOnnx } from "@tessera/core/formats/onnx/read";
import { makeNode } from "@tessera/core/graph/node";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { expect, test } from "vitest";
import { fixDims } from "./fix-dims.ts";

const BYTES = onnxFile({
  inputs: { x: ["float32", ["N", "T", 3]], other: ["float32", ["?", "T"]] },
  outputs: { y: ["float32", ["N", "U", 3]] },
  nodes: [makeNode("Relu", { inputs: ["x"], outputs: ["y"] })],
});

function shapes(bytes: Uint8Array): unknown[] {
  const { graph } = readOnnx(bytes);
  return [...(graph?.input ?? []), ...(graph?.output ?? [])].map((v) =>
    v.type?.tensorType?.shape?.dim?.map((d) => d.dimParam ?? (d.dimValue === undefined ? "?" : Number(d.dimValue))),
  );
}

test("sizes take the place of the symbols named, and nothing else changes", () => {
  const fixed = fixDims(
    BYTES,
    new Map([
      ["N", 2],
      ["T", 7],
    ]),
  );
  expect(shapes(fixed)).toEqual([
    [2, 7, 3],
    ["?", 7],
    [2, "U", 3],
  ]);
  expect(readOnnx(fixed).graph?.node).toEqual(readOnnx(BYTES).graph?.node);
  expect(shapes(fixDims(BYTES, new Map([["U", 0]])))).toEqual([
    ["N", "T", 3],
    ["?", "T"],
    ["N", 0, 3],
  ]);
});

test("an unknown name, a size that is none and a file of another format are refused", () => {
  expect(() => fixDims(BYTES, new Map([["M", 1]]))).toThrowError(/no dimension M to set, only N, T, U/);
  expect(() => fixDims(BYTES, new Map([["N", 1.5]]))).toThrowError(/whole number, not 1.5/);
  expect(() => fixDims(Uint8Array.of(8, 0, 0, 0, 79, 82, 84, 77), new Map([["N", 1]]))).toThrowError(
    expect.objectContaining({ name: "TesseraError" }),
  );
});
