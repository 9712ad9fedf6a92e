import { at } from "@tessera/core/base/assert";
import type { Random } from "@tessera/core/base/random";
import type { CrossedAxis } from "@tessera/core/biometrics/crossed";

/** Recordings of people of one modality. Cosines are between an enrolled recording (always clean) and a probe. */
export interface Recordings {
  /** Person of each recording. */
  readonly people: Int32Array;
  /** Unit vectors, one for each recording: as enrolled, and as probe. */
  readonly enrolled: readonly Float32Array[];
  readonly probes: readonly Float32Array[];
  /** 0..1, of each probe. */
  readonly qualities: Float64Array;
}

/** Two recordings: enrolled and probe. */
export type Pair = readonly [enrolled: number, probe: number];

/** Which comparisons of a modality there may be. */
export interface PairSource {
  /** Comparisons of one person's own recordings. */
  readonly genuine: ReadonlyMap<number, readonly Pair[]>;
  /** Recordings of a person. */
  readonly of: ReadonlyMap<number, readonly number[]>;
}

/** Comparisons of chimeras: a column per modality. */
export interface ChimericTrials {
  readonly genuine: number[];
  readonly face: { readonly pairs: Pair[]; readonly a: number[]; readonly b: number[] };
  readonly voice: { readonly pairs: Pair[]; readonly a: number[]; readonly b: number[] };
}

/** An empty list of comparisons. */
export function noTrials(): ChimericTrials {
  return { genuine: [], face: { pairs: [], a: [], b: [] }, voice: { pairs: [], a: [], b: [] } };
}

/** How many comparisons are drawn: genuine ones of each chimera, and impostor ones of each pair of them. */
export interface DrawCounts {
  readonly genuine: number;
  readonly impostor: number;
}

/**
 * Adds the comparisons of one pairing: every speaker gets the face of another person, drawn without putting back. Impostors are two chimeras whose
 * speakers may be compared (of one corpus: across two, rooms and microphones would tell them apart).
 */
export function addPairing(
  trials: ChimericTrials,
  people: {
    readonly faces: readonly number[];
    readonly speakers: readonly number[];
    readonly comparable: (a: number, b: number) => boolean;
  },
  sources: { readonly face: PairSource; readonly voice: PairSource; readonly counts: DrawCounts; readonly random: Random },
): void {
  const { face, voice, counts, random } = sources;
  const faces = drawn(people.faces, people.speakers.length, random);
  const add = (
    genuine: number,
    pairs: readonly [face: Pair, voice: Pair],
    who: readonly [number, number, number, number],
  ): void => {
    trials.genuine.push(genuine);
    trials.face.pairs.push(pairs[0]);
    trials.voice.pairs.push(pairs[1]);
    trials.face.a.push(who[0]);
    trials.face.b.push(who[1]);
    trials.voice.a.push(who[2]);
    trials.voice.b.push(who[3]);
  };
  const one = <T>(list: readonly T[]): T => at(list, random.int(list.length));
  people.speakers.forEach((speaker, i) => {
    const own = at(faces, i);
    const voices = voice.genuine.get(speaker) ?? [];
    for (const pair of drawn(voices, Math.min(voices.length, counts.genuine), random))
      add(1, [one(face.genuine.get(own) ?? []), pair], [own, own, speaker, speaker]);
    people.speakers.forEach((other, j) => {
      if (j <= i || !people.comparable(speaker, other)) return;
      const theirs = at(faces, j);
      for (let n = 0; n < counts.impostor; n++) {
        // Either of the two is enrolled.
        const [a, b, x, y] = random.int(2) === 0 ? [own, theirs, speaker, other] : [theirs, own, other, speaker];
        add(
          0,
          [
            [one(face.of.get(a) ?? []), one(face.of.get(b) ?? [])],
            [one(voice.of.get(x) ?? []), one(voice.of.get(y) ?? [])],
          ],
          [a, b, x, y],
        );
      }
    });
  });
}

/** So many of a list, none twice, in a random order. */
export function drawn<T>(list: readonly T[], count: number, random: Random): readonly T[] {
  const rest = [...list];
  for (let i = 0; i < count; i++) {
    const j = i + random.int(rest.length - i);
    [rest[i], rest[j]] = [rest[j] as T, rest[i] as T];
  }
  return rest.slice(0, count);
}

/** The cosines and probe qualities of some comparisons. */
export function scored(
  recordings: Recordings,
  pairs: readonly Pair[],
): { readonly scores: Float64Array; readonly qualities: Float64Array } {
  return {
    scores: Float64Array.from(pairs, ([a, b]) => {
      const [x, y] = [at(recordings.enrolled, a), at(recordings.probes, b)];
      let sum = 0;
      for (let k = 0; k < x.length; k++) sum += (x[k] as number) * (y[k] as number);
      return sum;
    }),
    qualities: Float64Array.from(pairs, ([, b]) => at(recordings.qualities, b)),
  };
}

/** A modality's people as an axis of the comparisons. */
export function axisOf({ a, b }: ChimericTrials["face"], people: number): CrossedAxis {
  return { people, a: Int32Array.from(a), b: Int32Array.from(b) };
}
