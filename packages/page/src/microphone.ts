import { getMedia } from "./camera.ts";
import { mediaProblem, ProblemError } from "./problem.ts";

/** Rate of the sounds that are sent. */
export const SOUND_RATE_HZ = 16_000;

/** An open microphone. */
export interface Microphone {
  /** Rate of the blocks: {@link SOUND_RATE_HZ} where the browser can, its own rate elsewhere. */
  readonly rateHz: number;
  close(): void;
}

/**
 * Opens the microphone; `onBlock` gets mono blocks of about 64 ms in -1..1. Echo and noise filters are off, because they change what the voice is
 * recognised by; the gain stays automatic, because a voice that is too soft is not heard at all.
 * `onLost` is told when it is unplugged or taken away.
 * @throws ProblemError microphone-* or insecure
 */
export async function openMicrophone(onBlock: (block: Float32Array) => void, onLost: () => void): Promise<Microphone> {
  const stream = await getMedia("microphone", {
    audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true },
  });
  for (const track of stream.getTracks()) track.addEventListener("ended", onLost);
  let context: AudioContext | undefined;
  const close = (): void => {
    for (const track of stream.getTracks()) track.stop();
    void context?.close().catch(() => undefined);
  };
  try {
    context = await contextFor(stream);
    await context.audioWorklet.addModule(new URL("./recorder-worklet.js", import.meta.url));
    const recorder = new AudioWorkletNode(context, "tessera-recorder", {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    recorder.port.addEventListener("message", ({ data }) => onBlock(data as Float32Array));
    recorder.port.start();
    context.createMediaStreamSource(stream).connect(recorder);
    await context.resume();
    return { rateHz: context.sampleRate, close };
  } catch (cause) {
    close();
    throw cause instanceof ProblemError ? cause : new ProblemError(mediaProblem("microphone", cause), { cause });
  }
}

/** Firefox does not connect a microphone to a context of another rate; there the context keeps the device's rate and the clip is resampled later. */
async function contextFor(stream: MediaStream): Promise<AudioContext> {
  const context = new AudioContext({ sampleRate: SOUND_RATE_HZ });
  try {
    context.createMediaStreamSource(stream).disconnect();
    return context;
  } catch {
    await context.close();
    return new AudioContext();
  }
}

/** Mono samples at another rate, by the browser's own resampler. */
export async function resampled(samples: Float32Array, fromHz: number, toHz = SOUND_RATE_HZ): Promise<Float32Array> {
  if (fromHz === toHz) return samples;
  const context = new OfflineAudioContext(1, Math.max(1, Math.round((samples.length * toHz) / fromHz)), toHz);
  const buffer = context.createBuffer(1, samples.length, fromHz);
  buffer.getChannelData(0).set(samples);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}
