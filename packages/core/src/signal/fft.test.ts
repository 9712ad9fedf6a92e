import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { realFft } from "./fft.ts";
import { fixedFft } from "./fixed-fft.ts";

/** The definition, term by term. */
function slowTransform(x: Float64Array): { readonly re: Float64Array; readonly im: Float64Array } {
  const n = x.length;
  const re = new Float64Array(n / 2 + 1);
  const im = new Float64Array(n / 2 + 1);
  for (let k = 0; k <= n / 2; k++)
    for (let i = 0; i < n; i++) {
      // The product is reduced first: cos and sin of large angles are less exact.
      const angle = (-2 * Math.PI * ((i * k) % n)) / n;
      re[k] = (re[k] as number) + (x[i] as number) * Math.cos(angle);
      im[k] = (im[k] as number) + (x[i] as number) * Math.sin(angle);
    }
  return { re, im };
}

function transform(x: Float64Array): { readonly re: Float64Array; readonly im: Float64Array } {
  const fft = realFft(x.length);
  const re = new Float64Array(fft.bins);
  const im = new Float64Array(fft.bins);
  fft.run(x, re, im);
  return { re, im };
}

function noise(length: number, seed: number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length }, () => random.normal());
}

describe("real Fourier transform", () => {
  test.each([2, 4, 6, 8, 10, 14, 16, 22, 26, 30, 32, 48, 50, 98, 202, 240, 250, 400, 480, 512])(
    "%i samples: the definition, term by term",
    (size) => {
      const x = noise(size, size);
      const [got, want] = [transform(x), slowTransform(x)];
      for (let k = 0; k <= size / 2; k++) {
        expect(Math.abs((got.re[k] as number) - (want.re[k] as number))).toBeLessThan(1e-11 * size);
        expect(Math.abs((got.im[k] as number) - (want.im[k] as number))).toBeLessThan(1e-11 * size);
      }
    },
  );

  test("energy is the same before and after (Parseval), for any even size", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.integer(), (half, seed) => {
        const x = noise(2 * half, seed);
        const { re, im } = transform(x);
        const before = x.reduce((sum, value) => sum + value * value, 0);
        let after = 0;
        for (let k = 0; k <= half; k++)
          after += (k === 0 || k === half ? 1 : 2) * ((re[k] as number) ** 2 + (im[k] as number) ** 2);
        expect(Math.abs(after / (2 * half) - before)).toBeLessThan(1e-10 * before);
      }),
      { numRuns: 60 },
    );
  });

  test("it is linear, keeps its input and gives the same twice", () => {
    const [a, b] = [noise(400, 1), noise(400, 2)];
    const sum = a.map((value, i) => 2 * value - 3 * (b[i] as number));
    const [fa, fb, fs] = [transform(a), transform(b), transform(sum)];
    for (let k = 0; k <= 200; k++) expect(fs.re[k] as number).toBeCloseTo(2 * (fa.re[k] as number) - 3 * (fb.re[k] as number), 9);
    const fft = realFft(400);
    const [re, im, again, other] = [0, 0, 0, 0].map(() => new Float64Array(fft.bins)) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const before = a.slice();
    fft.run(a, re, im);
    fft.run(a, again, other);
    expect(a).toEqual(before);
    expect(again).toEqual(re);
    expect(other).toEqual(im);
  });
});

describe("16-bit Fourier transform", () => {
  test.each([8, 16, 32, 64, 128, 256, 512, 1024])(
    "%i samples: the real transform divided by the size, within a few units",
    (size) => {
      const random = seededRandom(size);
      const x = Int32Array.from({ length: size }, () => random.int(60_001) - 30_000);
      const fft = fixedFft(size);
      const re = new Int32Array(fft.bins);
      const im = new Int32Array(fft.bins);
      fft.run(x, re, im);
      const want = slowTransform(Float64Array.from(x));
      for (let k = 0; k <= size / 2; k++) {
        // Rounding at every pass, and floor(32767 / 4) for a quarter, cost some units.
        expect(Math.abs((re[k] as number) - (want.re[k] as number) / size)).toBeLessThan(4);
        expect(Math.abs((im[k] as number) - (want.im[k] as number) / size)).toBeLessThan(4);
      }
    },
  );
});
