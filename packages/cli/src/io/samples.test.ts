import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Shape } from "@tessera/core/graph/dim";
import type { DType } from "@tessera/core/graph/dtype";
import { tensorType, type ValueInfo } from "@tessera/core/graph/model";
import { toNumbers } from "@tessera/core/graph/tensor";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeFile } from "./files.ts";
import { openSamples } from "./samples.ts";

const input = (name: string, shape: Shape | undefined, dtype: DType = "float32"): ValueInfo => ({
  name,
  type: tensorType(dtype, shape),
});
const coded = (code: string) => expect.objectContaining({ code });
const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

function npy(shape: readonly number[], values: readonly number[]): Uint8Array {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.map((s) => `${s},`).join("")}), }`.padEnd(117);
  const head = Uint8Array.from(`\x93NUMPY\x01\x00\x76\x00${header}\n`, (c) => c.charCodeAt(0));
  return new Uint8Array([...head, ...floats(values)]);
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-samples-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("samples in a folder", () => {
  test("a picture in the layout of the file that the model came from is put into that of the model", () => {
    writeFile(join(folder, "a.npy"), npy([1, 1, 2, 3], [1, 2, 3, 4, 5, 6]));
    writeFile(join(folder, "b.npy"), npy([1, 3, 1, 2], [1, 4, 2, 5, 3, 6]));
    const feeds = [...openSamples(folder, [input("x", [1, 3, 1, 2])]).feeds()].map((f) => f.get("x"));
    expect(feeds.map((t) => t?.shape)).toEqual([
      [1, 3, 1, 2],
      [1, 3, 1, 2],
    ]);
    expect(feeds.map((t) => t && [...toNumbers(t)])).toEqual([
      [1, 4, 2, 5, 3, 6],
      [1, 4, 2, 5, 3, 6],
    ]);
  });

  test("files in order of their names, one sample or many in each", () => {
    writeFile(join(folder, "b.npy"), npy([2, 2], [3, 4, 5, 6]));
    writeFile(join(folder, "a.f32"), floats([1, 2]));
    writeFile(join(folder, "c.npy"), npy([2], [7, 8]));
    writeFile(join(folder, "d.npy"), npy([1, 1, 2], [9, 10]));
    writeFileSync(join(folder, "README.txt"), "not a sample");
    const samples = openSamples(folder, [input("x", ["N", 2])]);
    const values = [...samples.feeds()].map((feeds) => [...toNumbers(feeds.get("x") ?? expect.fail("x"))]);
    expect(values).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
      [9, 10],
    ]);
    expect([...samples.feeds()].every((feeds) => feeds.get("x")?.shape.join() === "1,2")).toBe(true);
    expect([samples.count, [...samples.feeds(2)].length]).toEqual([5, 2]);
  });

  test("a free size takes what the array has, a fixed batch is kept together", () => {
    writeFile(join(folder, "a.npy"), npy([4, 3], Array(12).fill(1)));
    const free = openSamples(folder, [input("x", ["N", "T"])]);
    expect([free.count, [...free.feeds()][0]?.get("x")?.shape]).toEqual([4, [1, 3]]);
    const pairs = openSamples(folder, [input("x", [2, 3])]);
    expect([pairs.count, [...pairs.feeds()][0]?.get("x")?.shape]).toEqual([2, [2, 3]]);
  });

  test("several inputs have a folder each, and as many samples", () => {
    writeFile(join(folder, "x/0.npy"), npy([1, 2], [1, 2]));
    writeFile(join(folder, "a_b/0.npy"), npy([1, 1], [3]));
    const inputs = [input("x", [1, 2]), input("a/b", [1, 1])];
    const [feeds] = [...openSamples(folder, inputs).feeds()];
    expect([...(feeds?.keys() ?? [])]).toEqual(["x", "a/b"]);
    writeFile(join(folder, "x/1.npy"), npy([1, 2], [1, 2]));
    expect(() => openSamples(folder, inputs)).toThrow(coded("DATASET_INVALID"));
  });

  test("what does not fit the input is refused by name", () => {
    const path = join(folder, "a.npy");
    writeFile(path, npy([1, 3], [1, 2, 3]));
    expect(() => openSamples(folder, [input("x", [1, 2])])).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH", at: { file: path } }),
    );
    expect(() => openSamples(folder, [input("x", [1, 3], "int64")])).toThrow(coded("DTYPE_MISMATCH"));
    expect(() => openSamples(folder, [input("x", undefined)])).toThrow(coded("DATA_MISSING"));
    writeFile(path, "not numpy");
    expect(() => openSamples(folder, [input("x", [1, 3])])).toThrow(
      expect.objectContaining({ code: "MALFORMED", at: { file: path } }),
    );
    rmSync(path);
    expect(() => openSamples(folder, [input("x", [1, 3])])).toThrow(coded("CALIBRATION_EMPTY"));
    writeFile(join(folder, "a.f32"), floats([1, 2]));
    expect(() => openSamples(folder, [input("x", [1, 3])])).toThrow(coded("SHAPE_MISMATCH"));
    expect(() => openSamples(join(folder, "none"), [input("x", [1, 3])])).toThrow(coded("IO"));
  });

  test("a large array is read sample by sample, and small samples many at a time", () => {
    const wide = 300_000;
    writeFile(
      join(folder, "a.npy"),
      npy(
        [5, wide],
        Array.from({ length: 5 * wide }, (_, i) => i),
      ),
    );
    const firsts = [...openSamples(folder, [input("x", ["N", wide])]).feeds()].map((feeds) => {
      const tensor = feeds.get("x") ?? expect.fail("x");
      expect(tensor.bytes.buffer.byteLength).toBe(4 * wide);
      return toNumbers(tensor)[0];
    });
    expect(firsts).toEqual([0, 1, 2, 3, 4].map((i) => i * wide));
    writeFile(
      join(folder, "a.npy"),
      npy(
        [90_001, 3],
        Array.from({ length: 270_003 }, (_, i) => i),
      ),
    );
    let at = 0;
    for (const feeds of openSamples(folder, [input("x", ["N", 3])]).feeds()) {
      const value = toNumbers(feeds.get("x") ?? expect.fail("x"))[0];
      if (value !== 3 * at++) expect.fail(`sample ${at - 1} begins with ${value}`);
    }
    expect(at).toBe(90_001);
  });
});
