import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTesseraError } from "../base/error.ts";
import { type CalibrationCache, cachedSamples, mergeCaches } from "./calibration-cache.ts";
import { CACHE_MAX_BINS, cacheFromJson, cacheToJson } from "./calibration-json.ts";
import { createHistogram, observe } from "./histogram.ts";

const digestOf = (n: number): string => n.toString(16).padStart(64, "0");

function cacheOf(lists: Readonly<Record<string, readonly number[]>>, about: Partial<CalibrationCache> = {}): CalibrationCache {
  const histograms = new Map(
    Object.entries(lists).map(([name, list]) => {
      const h = createHistogram(64);
      observe(h, Float32Array.from(list));
      return [name, h] as const;
    }),
  );
  return {
    kind: "tessera-calibration-cache",
    version: 1,
    tool: "tessera test",
    network: digestOf(1),
    target: "ort-x64",
    sources: [{ samples: 3, digest: digestOf(2) }],
    largest: new Map([["c", Float64Array.of(1, 2)]]),
    channelScales: new Map([["c", [1, 0.5]]]),
    histograms,
    ...about,
  };
}

const value = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1, -1, 2 ** -24, 2 ** -30));
const values = fc.array(value, { maxLength: 30 });

describe("a calibration cache", () => {
  test("comes back from its text as it was, and the same cache gives the same text", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const cache = cacheOf({ a, b, ["__proto__"]: [1] });
        const text = cacheToJson(cache);
        const back = cacheFromJson(text);
        expect(back).toEqual(cache);
        expect(cacheToJson(back)).toBe(text);
        expect(back.histograms.get("__proto__")?.count).toBe(1);
      }),
    );
  });

  test("of two sites is that of all their samples", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const one = cacheOf({ a }, { largest: new Map([["c", Float64Array.of(1, 5)]]) });
        const other = cacheOf({ a: b }, { sources: [{ samples: 4, digest: digestOf(9) }] });
        const before = cacheToJson(one);
        const merged = mergeCaches([one, other]);
        const whole = cacheOf({ a: [...a, ...b] }).histograms.get("a");
        const { sum: _, sumOfSquares: __, ...exact } = merged.histograms.get("a") ?? expect.fail("a is not there");
        const { sum: _s, sumOfSquares: __s, ...wanted } = whole ?? expect.fail("a is not there");
        expect(exact).toEqual(wanted);
        expect(cachedSamples(merged)).toBe(7);
        expect(merged.largest.get("c")).toEqual(Float64Array.of(1, 5));
        expect(cacheToJson(one)).toBe(before);
      }),
    );
  });

  test("is not merged with one of another network, target, scaling, set of tensors, or of the same samples", () => {
    const one = cacheOf({ a: [1] });
    const elsewhere = { sources: [{ samples: 4, digest: digestOf(9) }] };
    const others: Partial<CalibrationCache>[] = [
      { network: digestOf(7) },
      { target: "litert" },
      { channelScales: new Map([["c", [1, 0.25]]]) },
      { channelScales: new Map() },
      { largest: new Map([["c", Float64Array.of(1)]]) },
      { largest: new Map() },
      { histograms: new Map() },
      { sources: one.sources },
    ];
    for (const other of others)
      expect(() => mergeCaches([one, cacheOf({ a: [1] }, { ...elsewhere, ...other })])).toThrow(
        expect.objectContaining({ code: "CALIBRATION_CACHE" }),
      );
    expect(() => mergeCaches([])).toThrow(expect.objectContaining({ code: "CALIBRATION_CACHE" }));
    expect(cachedSamples(mergeCaches([one]))).toBe(3);
  });
});

/** Something else in the place of one value of a JSON document. */
function mutated(json: unknown, path: number, put: unknown): unknown {
  let left = path;
  const walk = (node: unknown): unknown => {
    if (left-- === 0) return put;
    if (Array.isArray(node)) return node.map(walk);
    if (typeof node === "object" && node !== null)
      return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, walk(v)] as const));
    return node;
  };
  return walk(json);
}

describe("a calibration cache from outside", () => {
  const text = cacheToJson(cacheOf({ a: [0, 1, -2, 3.5], b: [0] }));

  test("with one value changed is refused with a code, or is still true to itself", () => {
    const odd = fc.oneof(
      fc.constantFrom<unknown>(null, -1, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 53, "", "x", [], {}, [null], { a: 1 }, true),
      fc.integer({ min: -4, max: 200 }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 120 }), odd, (path, put) => {
        const changed = JSON.stringify(mutated(JSON.parse(text), path, put));
        let cache: CalibrationCache;
        try {
          cache = cacheFromJson(changed);
        } catch (error) {
          expect(isTesseraError(error) && error.code).toBe("CALIBRATION_CACHE");
          return;
        }
        for (const h of cache.histograms.values()) {
          expect(h.counts.reduce((a, b) => a + b, 0)).toBe(h.count);
          expect(h.limit > Math.max(-h.min, h.max) || h.count === 0).toBe(true);
        }
        expect(cacheFromJson(cacheToJson(cache))).toEqual(cache);
      }),
      { numRuns: 600 },
    );
  });

  test("cut off or with a byte changed is refused with a code, or is one", () => {
    fc.assert(
      fc.property(fc.nat(text.length), fc.integer({ min: 0, max: 255 }), fc.boolean(), (at, byte, isCut) => {
        const changed = isCut ? text.slice(0, at) : text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + 1);
        try {
          cacheFromJson(changed);
        } catch (error) {
          expect(isTesseraError(error) && error.code).toBe("CALIBRATION_CACHE");
        }
      }),
      { numRuns: 400 },
    );
  });

  test("does not get memory that its text does not pay for", () => {
    const many = Object.fromEntries(
      Array.from({ length: 2000 }, (_, i) => [`t${i}`, { limit: 1, bins: CACHE_MAX_BINS, count: 0 }]),
    );
    const hostile = JSON.stringify({ ...JSON.parse(text), histograms: many });
    expect(() => cacheFromJson(hostile)).toThrow(/bins, more than/);
  });
});
