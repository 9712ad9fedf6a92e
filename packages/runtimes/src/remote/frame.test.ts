import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeFrame, encodeFrame } from "./frame.ts";

const frames = fc.record({ head: fc.jsonValue(), blobs: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }) });

describe("frames", () => {
  test("come back as they went", () => {
    fc.assert(
      fc.property(frames, ({ head, blobs }) => {
        const back = decodeFrame(encodeFrame({ head, blobs }));
        expect(back.head).toEqual(JSON.parse(JSON.stringify(head)));
        expect(back.blobs.map((b) => [...b])).toEqual(blobs.map((b) => [...b]));
      }),
    );
  });

  test("that were cut, lengthened or overwritten are refused with a code or read whole, never anything else", () => {
    fc.assert(
      fc.property(
        frames,
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom("cut", "longer", "flip"),
        (frame, place, value, how) => {
          const bytes = encodeFrame(frame);
          const at = place % bytes.length;
          const changed =
            how === "cut" ? bytes.slice(0, at) : how === "longer" ? Uint8Array.of(...bytes, value) : bytes.with(at, value);
          try {
            const { blobs } = decodeFrame(changed);
            expect(how).toBe("flip");
            expect(blobs.reduce((sum, b) => sum + b.length, 0)).toBeLessThan(changed.length);
          } catch (error) {
            expect(["MALFORMED", "LIMIT_EXCEEDED"]).toContain((error as { readonly code?: string }).code);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
