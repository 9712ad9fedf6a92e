import fc from "fast-check";
import { afterAll, beforeAll, expect } from "vitest";
import { type CaseCode, type CasePart, type KernelDriver, kernelDriver } from "./kernel-driver.ts";

/** A case as a driver takes it, and the bytes that must come out. */
export type CheckedCase = readonly [readonly [string, ...CasePart[]], Uint8Array];

/** Integers of 8 bits. */
export const int8 = fc.integer({ min: -128, max: 127 });

/** Zero points, at the ends more often than chance would have them. */
export const zeroPoint = fc.oneof(fc.constantFrom(-128, 127, 0), int8);

/** Lowest and highest output. */
export const clampRange = fc.oneof(
  fc.constant([-128, 127] as const),
  fc.tuple(int8, int8).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
);

/** Q31 multipliers. */
export const multiplierValue = fc.oneof(fc.constantFrom(2 ** 30, 2 ** 31 - 1), fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }));

/** Multipliers as networks have them, and with every shift that there can be. */
export const anyMultiplier = fc.record({
  value: multiplierValue,
  shift: fc.oneof(fc.integer({ min: -12, max: 2 }), fc.integer({ min: -31, max: 30 })),
});

/** Sizes of a window along one axis. */
export interface WindowAxis {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
  /** Outputs. */
  readonly out: number;
}

/** Windows along one axis, of any stride, dilation and padding, the kernel not larger than what it slides over. */
export const windowAxis: fc.Arbitrary<WindowAxis> = fc
  .record({
    size: fc.integer({ min: 1, max: 9 }),
    kernel: fc.oneof(fc.constant(3), fc.integer({ min: 1, max: 6 })),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    before: fc.integer({ min: 0, max: 4 }),
    after: fc.integer({ min: 0, max: 4 }),
  })
  .map((of) => {
    const total = of.size + of.before + of.after;
    const kernel = Math.min(of.kernel, Math.floor((total - 1) / of.dilation) + 1);
    return { ...of, kernel, out: Math.floor((total - (kernel - 1) * of.dilation - 1) / of.stride) + 1 };
  });

/** Data of 8 bits. */
export function int8Data(count: number): fc.Arbitrary<Int8Array> {
  return fc.int8Array({ minLength: count, maxLength: count });
}

/** [channels, plane] to [plane, channels]. */
export function channelsLast(planes: Int8Array, channels: number): Int8Array {
  const plane = planes.length / channels;
  return planes.map((_, i) => planes[(i % channels) * plane + Math.floor(i / channels)] as number);
}

/** The bytes of several arrays. */
export function joined(...parts: readonly ArrayBufferView[]): Uint8Array {
  return Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)));
}

/** The bytes of an array that a function fills. */
export function filled(count: number, fill: (out: Int8Array) => void): Uint8Array {
  const out = new Int8Array(count);
  fill(out);
  return joined(out);
}

/** What {@link useKernels} returns: holds the kernels against `batches` of at most 150 cases, each batch one run of the program. */
export type Holds = (cases: fc.Arbitrary<CheckedCase>, batches: number) => void;

/** Compiles kernels for the tests of a suite, and removes them behind it. */
export function useKernels(
  compiler: string | undefined,
  code: Readonly<Record<string, CaseCode>>,
  rounding: "double" | "single",
  defines: readonly string[] = [],
): Holds {
  let driver: KernelDriver | undefined;
  beforeAll(() => {
    driver = kernelDriver(compiler as string, code, rounding, defines);
  }, 120_000);
  afterAll(() => driver?.close());
  return (cases, batches) =>
    fc.assert(
      fc.property(fc.array(cases, { minLength: 1, maxLength: 150, size: "max" }), (list) => {
        const out = (driver as KernelDriver).run(list.map(([sent]) => sent));
        let at = 0;
        for (const [sent, wanted] of list) {
          const got = out.subarray(at, at + wanted.length);
          at += wanted.length;
          if (Buffer.compare(got, wanted) !== 0) expect([...got], String(sent.slice(0, 30))).toEqual([...wanted]);
        }
        expect(at).toBe(out.length);
      }),
      { numRuns: batches },
    );
}
