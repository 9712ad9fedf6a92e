import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isTesseraError } from "@tessera/core/base/error";
import { imageOf } from "@tessera/core/signal/image";
import { encodePnm } from "@tessera/core/signal/pnm";
import { sharedDir } from "@tessera/testkit/shared";
import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { decodeImage, decodeReduced, readImage } from "./images.ts";

const shared = sharedDir();
const quadrants = Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 250, 250, 250]);
const raw = { raw: { width: 2, height: 2, channels: 3 as const } };
const invalid = expect.objectContaining({ code: "IMAGE_INVALID" });

/** A grey JPEG of 8 x 8, progressive, each scan after the first with one bit of one coefficient; `hidden` puts an end of file into a comment before them. */
function manyScans(count: number, { hidden = false } = {}): Buffer {
  const segment = (marker: number, bytes: readonly number[]) => [0xff, marker, 0, bytes.length + 2, ...bytes];
  // Two codes of two bits; the first says that nothing of a block is left.
  const table = (id: number) => segment(0xc4, [id, 0, 2, ...Array<number>(14).fill(0), 0, 1]);
  const scans = Array.from({ length: count }, (_, i) => {
    const [bit, at] = [13 - Math.floor(i / 63), 1 + (i % 63)];
    return [...segment(0xda, [1, 1, 0, at, at, bit === 13 ? 13 : ((bit + 1) << 4) | bit]), 0x3f];
  });
  return Buffer.from([
    ...[0xff, 0xd8],
    ...(hidden ? segment(0xfe, [0xff, 0xd9]) : []),
    ...segment(0xdb, [0, ...Array<number>(64).fill(1)]),
    ...segment(0xc2, [8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
    ...table(0x00),
    ...table(0x10),
    ...[...segment(0xda, [1, 1, 0, 0, 0, 0]), 0x3f],
    ...scans.flat(),
    ...[0xff, 0xd9],
  ]);
}

describe("decoding pictures", () => {
  test("a PNG comes back sample by sample, RGB in rows", async () => {
    const image = await decodeImage(await sharp(quadrants, raw).png().toBuffer());
    expect(image).toEqual(imageOf(2, 2, 3, new Uint8Array(quadrants)));
  });

  test("a camera's orientation is applied", async () => {
    // Orientation 6: the picture is to be turned a quarter clockwise.
    const image = await decodeImage(await sharp(quadrants, raw).withMetadata({ orientation: 6 }).png().toBuffer());
    expect([...image.data.subarray(0, 3)]).toEqual([0, 0, 255]);
    expect([...image.data.subarray(3, 6)]).toEqual([255, 0, 0]);
  });

  test("transparency is laid on black, 16 bits become 8, grey and palette become what they show", async () => {
    const half = Buffer.from([200, 100, 50, 0]);
    const clear = await decodeImage(
      await sharp(half, { raw: { width: 1, height: 1, channels: 4 } })
        .png()
        .toBuffer(),
    );
    expect([...clear.data]).toEqual([0, 0, 0]);
    const wide = await decodeImage(await sharp(quadrants, raw).toColourspace("rgb16").png().toBuffer());
    expect([...wide.data.subarray(0, 3)]).toEqual([255, 0, 0]);
    const grey = await decodeImage(
      await sharp(Buffer.from([7, 99]), { raw: { width: 2, height: 1, channels: 1 } })
        .png()
        .toBuffer(),
    );
    expect([grey.data[0], grey.data[grey.channels]]).toEqual([7, 99]);
    const palette = await decodeImage(await sharp(quadrants, raw).png({ palette: true }).toBuffer());
    expect([...palette.data.subarray(0, 3)]).toEqual([255, 0, 0]);
  });

  test("a large picture is reduced while it is decoded, upright, and says by how much", async () => {
    // Left half red, right half blue; orientation 6 turns it so that red is on top.
    const wide = Buffer.from(Array.from({ length: 800 * 400 }, (_, i) => (i % 800 < 400 ? [250, 0, 0] : [0, 0, 250])).flat());
    const file = sharp(wide, { raw: { width: 800, height: 400, channels: 3 } }).withMetadata({ orientation: 6 });
    for (const bytes of [await file.clone().jpeg().toBuffer(), await file.clone().png().toBuffer()]) {
      const { image, reduction } = await decodeReduced(bytes, { maxPixels: 400_000, maxSide: 100 });
      expect([image.width, image.height, reduction]).toEqual([50, 100, 8]);
      expect(image.data[(10 * 50 + 25) * 3]).toBeGreaterThan(200);
      expect(image.data[(90 * 50 + 25) * 3 + 2]).toBeGreaterThan(200);
      await expect(decodeReduced(bytes, { maxPixels: 300_000, maxSide: 100 })).rejects.toThrow(invalid);
      const whole = await decodeReduced(bytes, { maxPixels: 400_000, maxSide: 800 });
      expect([whole.image.width, whole.image.height, whole.reduction]).toEqual([400, 800, 1]);
    }
    const pgm = encodePnm(imageOf(40, 20, 1, new Uint8Array(800).fill(7)));
    const small = await decodeReduced(pgm, { maxPixels: 800, maxSide: 10 });
    expect([small.image.width, small.image.height, small.reduction, small.image.data[0]]).toEqual([10, 5, 4, 7]);
  });

  test("a PGM goes through our own reader, and too many pixels are refused by both", async () => {
    const image = imageOf(20, 10, 1, new Uint8Array(200).fill(3));
    expect(await decodeImage(encodePnm(image))).toEqual(image);
    await expect(decodeImage(encodePnm(image), { maxPixels: 100 })).rejects.toThrow(invalid);
    const large = await sharp({ create: { width: 20, height: 10, channels: 3, background: "#123" } })
      .png()
      .toBuffer();
    await expect(decodeImage(large, { maxPixels: 100 })).rejects.toThrow(invalid);
  });

  test("a large interlaced PNG is refused before it is decoded, the same picture row by row is not", async () => {
    const size = { create: { width: 2400, height: 1800, channels: 3 as const, background: "#123456" } };
    const options = { maxPixels: 24_000_000, maxSide: 100 };
    const interlaced = await sharp(size).png({ progressive: true }).toBuffer();
    await expect(decodeReduced(interlaced, options)).rejects.toThrow("interlaced PNG of 2400 x 1800");
    expect((await decodeReduced(await sharp(size).png().toBuffer(), options)).image.width).toBe(100);
    const small = await sharp({ create: { ...size.create, width: 200 } })
      .png({ progressive: true })
      .toBuffer();
    expect((await decodeReduced(small, options)).image.height).toBe(100);
  });

  test("a legal JPEG of hundreds of scans is refused before it is decoded: each is a pass over the whole picture", async () => {
    const few = await decodeReduced(manyScans(20), { maxPixels: 64, maxSide: 8 });
    expect([few.image.width, few.image.height]).toEqual([8, 8]);
    for (const hidden of [false, true]) {
      const bytes = manyScans(800, { hidden });
      await expect(decodeReduced(bytes, { maxPixels: 64, maxSide: 8 })).rejects.toThrow("801 scans");
      await expect(decodeImage(bytes)).rejects.toEqual(invalid);
    }
    // Scans of a preview inside a segment, and whatever follows the end, are not the picture's.
    const preview = [0xff, 0xe1, 0x00, 0xca, ...Array(100).fill([0xff, 0xda]).flat()];
    const plain = await sharp(quadrants, raw).jpeg({ progressive: true }).toBuffer();
    const file = Buffer.concat([plain.subarray(0, 2), Buffer.from(preview), plain.subarray(2), Buffer.from(preview)]);
    expect((await decodeImage(file)).width).toBe(2);
  });

  test("damaged JPEG files give a picture or IMAGE_INVALID, nothing else", async () => {
    const jpeg = new Uint8Array(
      await sharp({ create: { width: 40, height: 30, channels: 3, background: "#a53" } })
        .jpeg()
        .toBuffer(),
    );
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(jpeg.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(jpeg.length),
        async (edits, cut) => {
          const bytes = jpeg.slice(0, cut % 3 === 0 ? cut : jpeg.length);
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          try {
            const image = await decodeImage(bytes);
            expect(image.data.length).toBe(image.width * image.height * image.channels);
          } catch (error) {
            expect(isTesseraError(error) && error.code).toBe("IMAGE_INVALID");
            refused++;
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(refused).toBeGreaterThan(10);
  });

  test("a file that is missing is IO, one that is damaged names itself", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tessera-images-"));
    try {
      await expect(readImage(join(folder, "none.jpg"))).rejects.toThrow(expect.objectContaining({ code: "IO" }));
      const path = join(folder, "bad.jpg");
      writeFileSync(path, "not a picture");
      await expect(readImage(path)).rejects.toThrow(expect.objectContaining({ code: "IMAGE_INVALID", at: { file: path } }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe.skipIf(shared === undefined)("real pictures (needs ../shared)", () => {
  test("a JPEG of LFW is 250 x 250 in colour, a PGM of ORL 92 x 112 in grey, each with contrast", async () => {
    const face = await readImage(join(shared ?? "", "data/lfw/images/Aaron_Sorkin/Aaron_Sorkin_0001.jpg"));
    expect([face.width, face.height, face.channels]).toEqual([250, 250, 3]);
    const grey = await readImage(join(shared ?? "", "data/orl/images/s01/1.pgm"));
    expect([grey.width, grey.height, grey.channels]).toEqual([92, 112, 1]);
    for (const { data } of [face, grey]) expect(new Set(data).size).toBeGreaterThan(100);
  });
});
