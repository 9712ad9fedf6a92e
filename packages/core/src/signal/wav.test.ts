import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTesseraError } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import { secondsOf, soundOf } from "./sound.ts";
import { decodeWav, encodeWav, WAV_LIMITS } from "./wav.ts";

interface Made {
  readonly code: 1 | 3;
  readonly bits: 8 | 16 | 24 | 32 | 64;
  readonly channels: number;
  readonly rateHz?: number;
  readonly extensible?: boolean;
  /** Chunks before the samples. */
  readonly before?: readonly { readonly tag: string; readonly bytes: number }[];
  /** What the data chunk claims to hold, bytes. */
  readonly claims?: number;
}

/** A WAV file written byte by byte from the format's description, with samples (interleaved, -1..1) put in by `put`. */
function wavFile(made: Made, samples: readonly number[]): Uint8Array {
  const { code, bits, channels, rateHz = 16_000 } = made;
  const width = bits / 8;
  const chunks: number[][] = [];
  const number = (value: number, bytes: number): number[] =>
    Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256);
  const text = (value: string): number[] => [...value].map((c) => c.charCodeAt(0));
  const chunk = (tag: string, body: number[], size = body.length): void => {
    chunks.push([...text(tag), ...number(size, 4), ...body, ...(body.length % 2 === 1 ? [0] : [])]);
  };
  const plain = [number(rateHz, 4), number(rateHz * channels * width, 4), number(channels * width, 2), number(bits, 2)].flat();
  const guid = [...number(code, 2), 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
  if (made.extensible)
    chunk("fmt ", [...number(0xfffe, 2), ...number(channels, 2), ...plain, 22, 0, bits, 0, 0, 0, 0, 0, ...guid]);
  else chunk("fmt ", [...number(code, 2), ...number(channels, 2), ...plain]);
  for (const { tag, bytes } of made.before ?? []) chunk(tag, new Array<number>(bytes).fill(7));
  const data = new DataView(new ArrayBuffer(samples.length * width));
  for (const [i, value] of samples.entries()) {
    if (code === 3) width === 4 ? data.setFloat32(i * 4, value, true) : data.setFloat64(i * 8, value, true);
    else if (bits === 8) data.setUint8(i, Math.round(value * 128) + 128);
    else
      for (const [b, byte] of number((Math.round(value * 2 ** (bits - 1)) + 2 ** bits) % 2 ** bits, width).entries())
        data.setUint8(i * width + b, byte);
  }
  chunk("data", [...new Uint8Array(data.buffer)], made.claims);
  const body = chunks.flat();
  return Uint8Array.from([...text("RIFF"), ...number(body.length + 4, 4), ...text("WAVE"), ...body]);
}

const FORMS = [
  { code: 1, bits: 8 },
  { code: 1, bits: 16 },
  { code: 1, bits: 24 },
  { code: 1, bits: 32 },
  { code: 3, bits: 32 },
  { code: 3, bits: 64 },
] as const;

/** Eighths can be written in every form. */
const EIGHTHS = [0, 0.125, -0.125, 0.875, -1, 0.5, -0.5, 0.25];

function refusal(bytes: Uint8Array, limits = {}): { readonly message: string; readonly offset: number | undefined } {
  try {
    decodeWav(bytes, limits);
  } catch (error) {
    if (isTesseraError(error) && error.code === "AUDIO_INVALID") return { message: error.message, offset: error.at.offset };
    throw error;
  }
  throw new Error("was read");
}

describe("reading WAV files", () => {
  test.each(FORMS)("code $code with $bits bits gives exact fractions, plain and extensible", ({ code, bits }) => {
    for (const extensible of [false, true]) {
      const sound = decodeWav(wavFile({ code, bits, channels: 1, extensible, rateHz: 22_050 }, EIGHTHS));
      expect(sound.rateHz).toBe(22_050);
      expect([...sound.samples]).toEqual(EIGHTHS);
    }
  });

  test.each(FORMS)("code $code with $bits bits and three channels gives their mean", ({ code, bits }) => {
    const sound = decodeWav(wavFile({ code, bits, channels: 3 }, [0.5, 0.25, 0.75, -0.5, -0.5, 0.25]));
    expect([...sound.samples]).toEqual([0.5, -0.25]);
  });

  test("unknown chunks before the samples are skipped, of odd size with their padding", () => {
    const before = [
      { tag: "LIST", bytes: 5 },
      { tag: "fact", bytes: 4 },
      { tag: "junk", bytes: 1 },
    ];
    expect([...decodeWav(wavFile({ code: 1, bits: 16, channels: 1, before }, EIGHTHS)).samples]).toEqual(EIGHTHS);
  });

  test("samples of a file that was streamed end with the file", () => {
    for (const claims of [0xffff_ffff, 1_000_000])
      expect(decodeWav(wavFile({ code: 1, bits: 16, channels: 1, claims }, EIGHTHS)).samples.length).toBe(8);
  });

  test("bytes in the middle of a larger buffer are read", () => {
    const file = wavFile({ code: 1, bits: 24, channels: 1 }, EIGHTHS);
    const around = new Uint8Array(file.length + 7);
    around.set(file, 3);
    expect([...decodeWav(around.subarray(3, 3 + file.length)).samples]).toEqual(EIGHTHS);
  });

  test("what is written comes back, within half a step of 16 bits and clipped at full scale", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1.5, max: 1.5, noNaN: true }), { minLength: 1, maxLength: 99 }), (values) => {
        const back = decodeWav(encodeWav(soundOf(16_000, Float32Array.from(values)))).samples;
        expect(back.length).toBe(values.length);
        for (const [i, value] of values.entries()) {
          const kept = Math.max(-1, Math.min(32_767 / 32_768, value));
          expect(Math.abs((back[i] as number) - kept)).toBeLessThanOrEqual(0.5 / 32_768 + 1e-7);
        }
      }),
    );
    const once = encodeWav(
      soundOf(
        8000,
        Float32Array.from(EIGHTHS, (x) => x * 0.99),
      ),
    );
    expect(encodeWav(decodeWav(once))).toEqual(once);
  });

  test("a sound lasts samples / rate seconds, and its rate must be one that there is", () => {
    expect(secondsOf(soundOf(8000, new Float32Array(2000)))).toBe(0.25);
    for (const rate of [0, 3999, 8000.5, Number.NaN, 400_000])
      expect(() => soundOf(rate, new Float32Array(1))).toThrow(expect.objectContaining({ code: "AUDIO_INVALID" }));
  });
});

describe("refusing WAV files", () => {
  const good = wavFile({ code: 1, bits: 16, channels: 1 }, EIGHTHS);
  const patched = (at: number, ...bytes: number[]): Uint8Array => {
    const copy = good.slice();
    copy.set(bytes, at);
    return copy;
  };

  test.each([
    ["nothing", new Uint8Array(0), "RIFF", 0],
    ["another container", patched(0, 0x52, 0x49, 0x46, 0x58), "RIFF", 0],
    ["no format", patched(12, 0x66, 0x6d, 0x74, 0x21), "before their format", 36],
    ["a short format", patched(16, 12), "12 bytes", 20],
    ["another codec", patched(20, 6), "codec is 6", 20],
    ["no channels", patched(22, 0), "0 channels", 22],
    ["too many channels", patched(22, 17), "17 channels", 22],
    ["a rate of 0", patched(24, 0, 0), "0 Hz", 24],
    ["a block that contradicts", patched(32, 4), "block size is 4", 32],
    ["12 bits", patched(34, 12), "12 bits", 34],
    ["no samples", good.subarray(0, 44), "no samples", 44],
    ["no data", good.subarray(0, 36), 'no "data"', 36],
    ["a float that is none", wavFile({ code: 3, bits: 32, channels: 1 }, [0, Number.NaN]), "finite", 48],
    ["an infinite double", wavFile({ code: 3, bits: 64, channels: 1 }, [0, 1e308]), "finite", 52],
  ])("%s", (_, bytes, words, offset) => {
    const { message, offset: at } = refusal(bytes);
    expect(message).toContain(words);
    expect(at).toBe(offset);
  });

  test("limits are named", () => {
    expect(refusal(good, { maxBytes: 50 }).message).toContain("more than 50");
    expect(refusal(good, { maxSeconds: 0.0001 }).message).toContain("more than 0.0001 s");
    const before = Array.from({ length: WAV_LIMITS.maxChunks }, () => ({ tag: "junk", bytes: 0 }));
    expect(refusal(wavFile({ code: 1, bits: 16, channels: 1, before }, EIGHTHS)).message).toContain("first 64 chunks");
  });

  test("an extensible file with a codec of its own is refused where it says so", () => {
    const file = wavFile({ code: 1, bits: 16, channels: 1, extensible: true }, EIGHTHS);
    file[20 + 30] = 1;
    expect(refusal(file)).toEqual({ message: expect.stringContaining("codec of its own"), offset: 50 });
    expect(refusal(file.map((byte, i) => (i === 16 ? 20 : byte))).message).toContain("20 bytes");
  });

  test("10,000 damaged files are read or refused with AUDIO_INVALID, nothing else, and never hold more samples than bytes", () => {
    const random = seededRandom(7);
    const seeds = FORMS.flatMap(({ code, bits }) => [
      wavFile({ code, bits, channels: 2, extensible: bits > 16, before: [{ tag: "LIST", bytes: 3 }] }, [...EIGHTHS, ...EIGHTHS]),
    ]);
    let readable = 0;
    for (let k = 0; k < 10_000; k++) {
      const seed = seeds[k % seeds.length] as Uint8Array;
      const length = random.int(4) === 0 ? random.int(seed.length + 1) : seed.length;
      const bytes = seed.slice(0, length);
      for (let i = 1 + random.int(4); i > 0 && length > 0; i--) {
        // Mostly in the headers, where it hurts; often the extremes.
        const at = random.int(Math.min(length, random.int(3) === 0 ? length : 90));
        bytes[at] = random.int(3) === 0 ? ([0, 1, 0x7f, 0x80, 0xff][random.int(5)] as number) : random.int(256);
      }
      try {
        const { samples } = decodeWav(bytes);
        readable++;
        expect(samples.length).toBeLessThanOrEqual(bytes.length);
        expect(samples.every(Number.isFinite)).toBe(true);
      } catch (error) {
        if (!isTesseraError(error) || error.code !== "AUDIO_INVALID") throw error;
      }
    }
    // Both kinds must be there, or the test shows nothing.
    expect(readable).toBeGreaterThan(500);
    expect(readable).toBeLessThan(9500);
  });
});
