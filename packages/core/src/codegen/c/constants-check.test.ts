import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EmittedConstant } from "./constants.ts";
import { constantsCheckText, constantsCrc } from "./constants-check.ts";

const CHECK = new TextEncoder().encode("123456789");

describe("the check of constants", () => {
  it("is CRC-32 by its published check value, whatever the numbers' width", () => {
    expect(constantsCrc([{ data: CHECK }])).toBe(0xcbf43926);
    expect(constantsCrc([{ data: CHECK.subarray(0, 4) }, { data: CHECK.subarray(4) }])).toBe(0xcbf43926);
    const [low, high] = [CHECK[0] as number, CHECK[1] as number];
    expect(constantsCrc([{ data: Uint16Array.of(low | (high << 8)) }, { data: CHECK.subarray(2) }])).toBe(0xcbf43926);
    expect(constantsCrc([{ data: new Int32Array(CHECK.slice(0, 8).buffer) }, { data: CHECK.subarray(8) }])).toBe(0xcbf43926);
  });

  it("changes with every single bit, signs among them", () => {
    const data = fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(data, fc.nat(), fc.nat(7), (numbers, index, bit) => {
        const damaged = Int8Array.from(numbers);
        const at = index % numbers.length;
        damaged[at] = (damaged[at] as number) ^ (1 << bit);
        expect(constantsCrc([{ data: damaged }])).not.toBe(constantsCrc([{ data: Int8Array.from(numbers) }]));
      }),
    );
  });

  it("reads narrow numbers first, and has nothing to say about none", () => {
    const wide = { name: "n_b0", kind: "bias", type: "int32_t", data: Int32Array.of(-1) } satisfies EmittedConstant;
    const narrow = { name: "n_w0", kind: "weights", type: "int8_t", data: Int8Array.of(-1, 2) } satisfies EmittedConstant;
    const text = constantsCheckText("n", [wide, narrow]);
    expect(text.indexOf("{n_w0, 2}")).toBeGreaterThan(0);
    expect(text.indexOf("{n_b0, 1}")).toBeGreaterThan(text.indexOf("{n_w0, 2}"));
    expect(text).toContain("i < 1 ? 8 : i < 1 ? 16 : 32");
    expect(text).toContain(`!= 0x${constantsCrc([narrow, wide]).toString(16).padStart(8, "0")}u`);
    expect(constantsCheckText("n", [])).toBe("");
  });
});
