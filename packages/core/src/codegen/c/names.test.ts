import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cComment, cFloat, cInteger, cPrefix } from "./names.ts";

describe("prefixes of C names", () => {
  it("are identifiers whatever the text is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => {
        const prefix = cPrefix(text);
        expect(prefix).toMatch(/^[A-Za-z][A-Za-z0-9_]*$/);
        expect(prefix.length).toBeLessThanOrEqual(46);
        expect(prefix).not.toMatch(/^ts(_|$)/i);
        expect(cPrefix(prefix)).toBe(prefix);
      }),
    );
  });

  it.each([
    ["kws", "kws"],
    ["my-model v1.tflite", "my_model_v1_tflite"],
    ["string", "model_string"],
    ["INT", "model_INT"],
    ["9lives", "model_9lives"],
    ["ts_conv", "model_ts_conv"],
    ["TS", "model_TS"],
    ["_x_", "x"],
    ["", "model"],
    ["模型", "model"],
    ["tessera_kernels", "model_tessera_kernels"],
    ["aux", "model_aux"],
  ])("make %s into %s", (text, wanted) => {
    expect(cPrefix(text)).toBe(wanted);
  });
});

describe("text in comments", () => {
  it("cannot end a comment, begin one, continue a line or make a trigraph, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const safe = cComment(text);
        expect(safe).toMatch(/^[\x20-\x7e]*$/);
        expect(safe).not.toMatch(/[*\\?"'\n\r]/);
        expect(safe.length).toBeLessThanOrEqual(80);
      }),
    );
  });

  it("keeps the usual names as they are", () => {
    expect(cComment("block_3/Conv2D;bn/Add:0 (1x1)")).toBe("block_3/Conv2D;bn/Add:0 (1x1)");
    expect(cComment("x */ #include <evil> /* \\\n??/")).toBe("x _/ #include <evil> /_ ____/");
  });
});

describe("literals", () => {
  it("write floats so that they read back as the same float32", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const text = cFloat(x);
        expect(text).toMatch(/^-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?f$/);
        expect(text).toMatch(/[.e]/);
        expect(Math.fround(Number(text.slice(0, -1)))).toBe(x === 0 ? 0 : x);
      }),
    );
  });

  it("write the least int32 without a literal that does not fit", () => {
    expect([cInteger(-2147483648), cInteger(-2147483647), cInteger(7)]).toEqual(["(-2147483647 - 1)", "-2147483647", "7"]);
  });
});
