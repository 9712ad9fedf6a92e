import { fail, type TesseraError } from "../base/error.ts";
import { MAX_RATE_HZ, MIN_RATE_HZ, type Sound, soundOf } from "./sound.ts";

/** Bounds on what a WAV file may make us do. */
export interface WavLimits {
  /** Bytes of the file. */
  readonly maxBytes: number;
  /** Length, seconds. */
  readonly maxSeconds: number;
  readonly maxChannels: number;
  /** Chunks looked at before the samples are found. */
  readonly maxChunks: number;
}

/** Limits of {@link decodeWav}: ten minutes of sound; 64 MiB hold that at 48 kHz, 16 bit, one channel. */
export const WAV_LIMITS: WavLimits = { maxBytes: 64 << 20, maxSeconds: 600, maxChannels: 16, maxChunks: 64 };

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

/** Bytes 2..15 of the sub-format of WAVE_FORMAT_EXTENSIBLE when its first two bytes are a format code (KSDATAFORMAT_SUBTYPE_*). */
const SUBFORMAT_TAIL = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71] as const;

interface WavFormat {
  readonly code: typeof PCM | typeof FLOAT;
  readonly channels: number;
  readonly rateHz: number;
  /** Bytes of one sample of one channel. */
  readonly width: number;
}

/**
 * Reads a WAV file: RIFF with PCM of 8 (unsigned), 16, 24 or 32 bits or IEEE float of 32 or 64 bits, plain or WAVE_FORMAT_EXTENSIBLE, any
 * channels, mixed down to their mean. Unknown chunks are skipped; a data chunk of declared size 0xFFFFFFFF or beyond the end of the file
 * (recorders that stream cannot go back and write it) ends with the file. Integers are divided by 2^(bits-1).
 * Written after the "Multimedia Programming Interface and Data Specifications 1.0" and the WAVE_FORMAT_EXTENSIBLE description.
 * @throws AUDIO_INVALID naming the byte offset: not RIFF/WAVE, no format or samples, another codec, a limit exceeded, a sample not finite
 */
export function decodeWav(bytes: Uint8Array, limits: Partial<WavLimits> = {}): Sound {
  const bounds: WavLimits = { ...WAV_LIMITS, ...limits };
  if (bytes.length > bounds.maxBytes) throw refused(0, `it has ${bytes.length} bytes, more than ${bounds.maxBytes}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (tagAt(view, 0) !== "RIFF" || tagAt(view, 8) !== "WAVE") throw refused(0, "it does not begin with RIFF and WAVE");
  let format: WavFormat | undefined;
  let at = 12;
  for (let chunks = 0; at + 8 <= bytes.length; chunks++) {
    if (chunks >= bounds.maxChunks) throw refused(at, `no samples among its first ${bounds.maxChunks} chunks`);
    const tag = tagAt(view, at);
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (tag === "fmt ") format = formatAt(view, body, Math.min(size, bytes.length - body), bounds);
    if (tag === "data") {
      if (format === undefined) throw refused(at, "its samples come before their format");
      return samplesAt(view, { body, size: Math.min(size, bytes.length - body), format, bounds });
    }
    // Chunks begin at even offsets: one of odd size is followed by a byte that counts for neither.
    at = body + size + (size & 1);
  }
  throw refused(Math.min(at, bytes.length), format === undefined ? 'it has no "fmt " chunk' : 'it has no "data" chunk');
}

function formatAt(view: DataView, at: number, size: number, bounds: WavLimits): WavFormat {
  if (size < 16) throw refused(at, `its format has ${size} bytes, not at least 16`);
  const tag = view.getUint16(at, true);
  const channels = view.getUint16(at + 2, true);
  const rateHz = view.getUint32(at + 4, true);
  const block = view.getUint16(at + 12, true);
  const bits = view.getUint16(at + 14, true);
  const code = tag === EXTENSIBLE ? subformatAt(view, at, size) : tag;
  if (code !== PCM && code !== FLOAT) throw refused(at, `its codec is ${code}; PCM (1) and IEEE float (3) are read`);
  const widths = code === PCM ? [8, 16, 24, 32] : [32, 64];
  if (!widths.includes(bits)) throw refused(at + 14, `its samples have ${bits} bits, not ${widths.join(", ")}`);
  if (channels < 1 || channels > bounds.maxChannels)
    throw refused(at + 2, `it has ${channels} channels, not 1..${bounds.maxChannels}`);
  if (rateHz < MIN_RATE_HZ || rateHz > MAX_RATE_HZ)
    throw refused(at + 4, `its rate is ${rateHz} Hz, not ${MIN_RATE_HZ}..${MAX_RATE_HZ}`);
  const width = bits / 8;
  if (block !== width * channels) throw refused(at + 12, `its block size is ${block}, not ${width * channels}`);
  return { code, channels, rateHz, width };
}

function subformatAt(view: DataView, at: number, size: number): number {
  if (size < 40) throw refused(at, `its extensible format has ${size} bytes, not at least 40`);
  for (const [i, byte] of SUBFORMAT_TAIL.entries()) {
    if (view.getUint8(at + 26 + i) !== byte) throw refused(at + 26 + i, "its extensible format names a codec of its own");
  }
  return view.getUint16(at + 24, true);
}

function samplesAt(
  view: DataView,
  data: { readonly body: number; readonly size: number; readonly format: WavFormat; readonly bounds: WavLimits },
): Sound {
  const { body, size, format, bounds } = data;
  const { channels, width, rateHz } = format;
  const block = channels * width;
  const count = Math.floor(size / block);
  if (count === 0) throw refused(body, "it holds no samples");
  if (count > bounds.maxSeconds * rateHz) {
    throw refused(body, `it lasts ${(count / rateHz).toFixed(1)} s, more than ${bounds.maxSeconds} s`);
  }
  const samples = new Float32Array(count);
  const read = readerOf(view, format);
  for (let i = 0; i < count; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += read(body + i * block + c * width);
    const value = Math.fround(sum / channels);
    if (!Number.isFinite(value)) throw refused(body + i * block, "a sample is not a finite number");
    samples[i] = value;
  }
  return soundOf(rateHz, samples);
}

function readerOf(view: DataView, { code, width }: WavFormat): (at: number) => number {
  if (code === FLOAT) return width === 4 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  if (width === 1) return (at) => (view.getUint8(at) - 128) / 128;
  if (width === 2) return (at) => view.getInt16(at, true) / 32_768;
  if (width === 3) return (at) => ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8_388_608;
  return (at) => view.getInt32(at, true) / 2_147_483_648;
}

function tagAt(view: DataView, at: number): string {
  if (at + 4 > view.byteLength) return "";
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function refused(offset: number, why: string): TesseraError {
  return fail("AUDIO_INVALID", `Cannot read a WAV file: ${why}`, { at: { offset } });
}

/** Writes a sound as WAV, one channel of 16-bit PCM: 32,768 x, rounded to nearest and kept within the range. */
export function encodeWav(sound: Sound): Uint8Array {
  const { rateHz, samples } = sound;
  const out = new Uint8Array(44 + samples.length * 2);
  const view = new DataView(out.buffer);
  const tag = (at: number, text: string): void => {
    for (let i = 0; i < 4; i++) out[at + i] = text.charCodeAt(i);
  };
  tag(0, "RIFF");
  view.setUint32(4, out.length - 8, true);
  tag(8, "WAVE");
  tag(12, "fmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, PCM, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  tag(36, "data");
  view.setUint32(40, samples.length * 2, true);
  for (let i = 0; i < samples.length; i++) {
    const value = Math.round((samples[i] as number) * 32_768);
    view.setInt16(44 + i * 2, Math.max(-32_768, Math.min(32_767, value)), true);
  }
  return out;
}
