import { describe, expect, it } from "vitest";
import { bytesByKind, constantPool, numberLines } from "./constants.ts";

describe("a pool of constants", () => {
  it("emits equal arrays of one type once, and arrays of other types apart", () => {
    const pool = constantPool("m");
    const first = pool.add("bias", Int32Array.of(1, 2));
    expect(pool.add("multipliers", Int32Array.of(1, 2))).toBe(first);
    expect(pool.add("weights", Int8Array.of(1, 2))).toBe("m_w0");
    expect(pool.add("weights", Int8Array.of(1, 3))).toBe("m_w1");
    expect(pool.all.map(({ name }) => name)).toEqual(["m_b0", "m_w0", "m_w1"]);
    expect(bytesByKind(pool.all)).toEqual({ weights: 4, bias: 8, multipliers: 0, shifts: 0, tables: 0, constants: 0 });
  });

  it("tells arrays apart that only a weak hash would join", () => {
    const pool = constantPool("m");
    for (let i = 0; i < 300; i++) pool.add("tables", Int32Array.of(i, i * i));
    expect(pool.all).toHaveLength(300);
  });

  it("writes numbers in lines of bounded length, the least int32 as a sum", () => {
    const lines = numberLines(Int32Array.from({ length: 200 }, (_, i) => (i === 7 ? -2147483648 : i * 1_000_003)));
    expect(lines).toContain("(-2147483647 - 1),");
    expect(Math.max(...lines.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
    const again = lines.split(",").filter((text) => text.trim() !== "");
    expect(again).toHaveLength(200);
  });
});
