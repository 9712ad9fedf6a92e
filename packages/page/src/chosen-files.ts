import { FRAME_MAX_PIXELS, jpegOf } from "./camera.ts";
import { SOUND_RATE_HZ } from "./microphone.ts";
import { ProblemError } from "./problem.ts";
import { encodeWav, isWav } from "./wav.ts";

/** Longest recording taken from a file, seconds: the rest is left out rather than sent. */
const MOST_SECONDS = 15;

/** A chosen picture as the gateway takes it: JPEG and PNG of moderate size as they are, everything else drawn anew as JPEG. @throws ProblemError file-unreadable */
export async function pictureOf(file: Blob): Promise<Blob> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch (cause) {
    throw new ProblemError({ kind: "file-unreadable" }, { cause });
  }
  try {
    const moderate = Math.max(bitmap.width, bitmap.height) <= FRAME_MAX_PIXELS;
    const taken = file.type === "image/jpeg" || file.type === "image/png";
    return moderate && taken ? file : await jpegOf(bitmap, [bitmap.width, bitmap.height]);
  } finally {
    bitmap.close();
  }
}

/** A chosen recording as the gateway takes it: short WAV as it is, everything else the browser can decode as 16 kHz mono WAV. @throws ProblemError file-unreadable */
export async function recordingOf(file: Blob): Promise<Blob> {
  const bytes = await file.arrayBuffer();
  if (isWav(new Uint8Array(bytes)) && bytes.byteLength <= 4 * SOUND_RATE_HZ * MOST_SECONDS) return file;
  try {
    // Decoding in an offline context resamples to its rate; one channel of its own mixes the others down.
    const decoded = await new OfflineAudioContext(1, 1, SOUND_RATE_HZ).decodeAudioData(bytes);
    const frames = Math.min(decoded.length, MOST_SECONDS * SOUND_RATE_HZ);
    const mixer = new OfflineAudioContext(1, Math.max(1, frames), SOUND_RATE_HZ);
    const source = mixer.createBufferSource();
    source.buffer = decoded;
    source.connect(mixer.destination);
    source.start();
    const mixed = await mixer.startRendering();
    return new Blob([encodeWav(mixed.getChannelData(0), SOUND_RATE_HZ)], { type: "audio/wav" });
  } catch (cause) {
    throw new ProblemError({ kind: "file-unreadable" }, { cause });
  }
}
