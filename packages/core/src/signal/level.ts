import { type Sound, soundOf } from "./sound.ts";

/** Root mean square level in dB relative to full scale (a constant of 1 is 0 dB, a full sine -3.01 dB); -Infinity for silence. */
export function levelDbfs({ samples }: Sound): number {
  let squares = 0;
  for (let i = 0; i < samples.length; i++) squares += (samples[i] as number) ** 2;
  return 10 * Math.log10(squares / samples.length);
}

/** Amplifies a sound to a level where it is below it. Silence stays silence; samples may pass full scale. */
export function raiseLevel(sound: Sound, dbfs: number): Sound {
  const level = levelDbfs(sound);
  if (!(level < dbfs) || level === Number.NEGATIVE_INFINITY) return sound;
  const gain = 10 ** ((dbfs - level) / 20);
  return soundOf(
    sound.rateHz,
    sound.samples.map((x) => x * gain),
  );
}
