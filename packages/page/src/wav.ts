const HEADER_BYTES = 44;

/**
 * A WAV file (RIFF, PCM, 16 bits, mono) of `samples` in -1..1 at `rateHz`. What is louder than full scale is cut to it.
 * Layout: the canonical 44-byte header of the RIFF/WAVE specification (`fmt ` of 16 bytes, then `data`), little-endian.
 */
export function encodeWav(samples: Float32Array, rateHz: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const ascii = (at: number, text: string): void => {
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  };
  ascii(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  ascii(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  ascii(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; i++) {
    const cut = Math.max(-1, Math.min(1, samples[i] as number));
    view.setInt16(HEADER_BYTES + 2 * i, Math.round(cut < 0 ? cut * 32768 : cut * 32767), true);
  }
  return bytes;
}

/** Whether bytes begin as a RIFF/WAVE file does. */
export function isWav(bytes: Uint8Array): boolean {
  const at = (offset: number): string => String.fromCharCode(...bytes.subarray(offset, offset + 4));
  return bytes.length >= 12 && at(0) === "RIFF" && at(8) === "WAVE";
}
