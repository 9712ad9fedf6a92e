import type { ValueInfo } from "@tessera/core/graph/model";
import { tensorType } from "@tessera/core/graph/model";
import type { Encoding } from "@tessera/core/graph/plan";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { countOf, f32, fromNumbers, i64, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { layoutChange, presentSession, transposed } from "./present.ts";

const value = (name: string, dtype: "float32" | "int8" | "int32" | "int64", shape: readonly (number | string)[]): ValueInfo => ({
  name,
  type: tensorType(dtype, shape),
});

/** A session that gives back what `answer` makes of its feeds, and remembers what it was fed. */
function fakeSession(
  about: Pick<Session, "inputs" | "outputs" | "encodings">,
  answer: (feeds: Feeds) => Feeds,
): Session & { readonly fed: Feeds[] } {
  const fed: Feeds[] = [];
  return {
    ...about,
    fed,
    run: async (feeds) => {
      fed.push(feeds);
      return answer(feeds);
    },
    time: async (feeds) => {
      fed.push(feeds);
      return { wallMs: [1], cpuMs: 1 };
    },
    close: async () => {},
  };
}

const counted = (shape: readonly number[]): Tensor =>
  f32(
    shape,
    Float32Array.from({ length: countOf(shape) }, (_, i) => i),
  );

describe("a value in another layout", () => {
  test("is moved element by element, and back again", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 4, maxLength: 4 }), (shape) => {
        const nchw = counted(shape);
        const nhwc = transposed(nchw, [0, 2, 3, 1]);
        const [n = 0, c = 0, h = 0, w = 0] = shape;
        expect(nhwc.shape).toEqual([n, h, w, c]);
        const [a, b] = [toNumbers(nchw), toNumbers(nhwc)];
        for (let i = 0; i < n; i++)
          for (let y = 0; y < h; y++)
            for (let x = 0; x < w; x++)
              for (let k = 0; k < c; k++) expect(b[((i * h + y) * w + x) * c + k]).toBe(a[((i * c + k) * h + y) * w + x]);
        expect(transposed(nhwc, [0, 3, 1, 2])).toEqual(nchw);
      }),
    );
  });

  test("keeps its type", () => {
    expect(transposed(fromNumbers("int8", [1, 2, 1, 2], [1, -2, 3, -4]), [0, 2, 3, 1])).toEqual(
      fromNumbers("int8", [1, 1, 2, 2], [1, 3, -2, -4]),
    );
  });

  test("is found by its sizes, free ones fitting any; what fits in no layout is refused", () => {
    expect(layoutChange([1, 3, 4, 5], [1, 3, 4, 5], "x")).toBeUndefined();
    expect(layoutChange(["N", 3, 4, 5], [1, 4, 5, 3], "x")).toEqual([0, 2, 3, 1]);
    expect(layoutChange([1, 4, 5, 3], ["N", 3, 4, 5], "x")).toEqual([0, 3, 1, 2]);
    expect(layoutChange([1, 10], [1, 10], "x")).toBeUndefined();
    for (const to of [
      [1, 4, 3, 5],
      [1, 3, 4],
      [2, 3, 4, 5],
    ])
      expect(() => layoutChange([1, 3, 4, 5], to, "x")).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
  });
});

describe("a session in the terms of a model", () => {
  const grid: Encoding = { dtype: "int8", scale: [0.5], zeroPoint: [3], reason: "" };
  const outGrid: Encoding = { dtype: "int8", scale: [0.25], zeroPoint: [-1], reason: "" };
  const wanted = { inputs: [value("x", "float32", ["N", 2, 1, 3])], outputs: [value("y", "float32", ["N", 2, 1, 3])] };

  test("takes floats in the model's layout where the file has integers in another, and gives floats back", async () => {
    const own = fakeSession(
      {
        inputs: [value("x", "int8", [1, 1, 3, 2])],
        outputs: [value("y", "int8", [1, 1, 3, 2])],
        encodings: new Map([
          ["x", grid],
          ["y", outGrid],
        ]),
      },
      (feeds) => new Map([["y", feeds.get("x") as Tensor]]),
    );
    const session = presentSession(own, wanted);
    expect(session.inputs).toEqual([value("x", "float32", [1, 2, 1, 3])]);
    const x = f32([1, 2, 1, 3], [0, 1, 2, 3, 4, 1000]);
    const y = (await session.run(new Map([["x", x]]))).get("y");
    // q = x / 0.5 + 3, channels last: 0 and 3, 1 and 4, 2 and 1000, the last one saturated.
    expect(own.fed[0]?.get("x")).toEqual(fromNumbers("int8", [1, 1, 3, 2], [3, 9, 5, 11, 7, 127]));
    expect(y).toEqual(f32([1, 2, 1, 3], [1, 1.5, 2, 2.5, 3, 32]));
    expect(session.ownFeeds?.(new Map([["x", x]]))).toEqual(own.fed[0]);
    await session.time(new Map([["x", x]]), { runs: 1 });
    expect(own.fed[1]).toEqual(own.fed[0]);
  });

  test("finds values by name, and by place only where no name fits", async () => {
    const pair = (a: string, b: string) =>
      fakeSession(
        { inputs: [value(a, "float32", [2]), value(b, "float32", [2])], outputs: [value("out", "float32", [2])] },
        (feeds) => new Map([["out", feeds.get(a) as Tensor]]),
      );
    const terms = { inputs: [value("b", "float32", [2]), value("a", "float32", [2])], outputs: [value("y", "float32", [2])] };
    const feeds = new Map([
      ["b", f32([2], [1, 2])],
      ["a", f32([2], [3, 4])],
    ]);
    expect((await presentSession(pair("a", "b"), terms).run(feeds)).get("y")).toEqual(f32([2], [3, 4]));
    expect((await presentSession(pair("p", "q"), terms).run(feeds)).get("y")).toEqual(f32([2], [1, 2]));
    expect(() => presentSession(pair("a", "q"), terms)).toThrow(expect.objectContaining({ code: "DATA_MISSING" }));
  });

  test("gives a file with int32 what a model has as int64", async () => {
    const own = fakeSession(
      { inputs: [value("n", "int32", [2])], outputs: [value("n2", "int32", [2])] },
      (feeds) => new Map([["n2", feeds.get("n") as Tensor]]),
    );
    const session = presentSession(own, { inputs: [value("n", "int64", [2])], outputs: [value("n2", "int64", [2])] });
    expect((await session.run(new Map([["n", i64([2], [7, -1])]]))).get("n2")).toEqual(i64([2], [7, -1]));
    expect(own.fed[0]?.get("n")).toEqual(fromNumbers("int32", [2], [7, -1]));
    await expect(session.run(new Map())).rejects.toThrow(expect.objectContaining({ code: "DATA_MISSING" }));
  });

  test("is the session itself where nothing differs", () => {
    const own = fakeSession(
      { inputs: [value("x", "float32", [1, 4])], outputs: [value("y", "float32", [1, 4])] },
      (feeds) => feeds,
    );
    expect(presentSession(own, { inputs: own.inputs, outputs: own.outputs })).toBe(own);
  });

  test("believes the sizes of what comes out, not those that the file declares", async () => {
    const own = fakeSession(
      { inputs: [value("x", "float32", [1])], outputs: [value("y", "float32", [1, 1, 1, 1])] },
      () => new Map([["y", counted([1, 2, 3, 4])]]),
    );
    const session = presentSession(own, { inputs: own.inputs, outputs: [value("y", "float32", [1, 4, 2, 3])] });
    const y = (await session.run(new Map([["x", f32([1], [0])]]))).get("y");
    expect(y).toEqual(transposed(counted([1, 2, 3, 4]), [0, 3, 1, 2]));
  });
});
