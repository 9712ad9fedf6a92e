import type { Random } from "@tessera/core/base/random";

/** Options of {@link mutate}. */
export interface MutateOptions {
  /** Other files to splice from; the seed itself if there are none. */
  readonly donors?: readonly Uint8Array[];
  /** At most so many changes are made one after another. */
  readonly maxSteps?: number;
  /** Changes that would make the file longer than this are cut off. */
  readonly maxBytes?: number;
}

/** The defaults of {@link MutateOptions}. */
export const MUTATE_DEFAULTS = { maxSteps: 3, maxBytes: 1 << 24 } as const satisfies MutateOptions;

/** A changed file and what was done to it. */
export interface Mutant {
  readonly bytes: Uint8Array;
  readonly steps: readonly MutationName[];
}

interface Material {
  readonly bytes: Uint8Array;
  readonly random: Random;
  readonly donors: readonly Uint8Array[];
}

/** Bytes that mean something to binary formats: ends of ranges, continuation bits, small tags and lengths. */
const TELLING_BYTES = [0x00, 0x01, 0x02, 0x08, 0x0a, 0x12, 0x1a, 0x3a, 0x7f, 0x80, 0x81, 0xfe, 0xff] as const;

/** Lengths and sizes at which readers break, as varints: 0, 127, 128, 2^14, 2^31 - 1, 2^32 - 1, 2^32, 2^63 - 1, 2^64 - 1, and one without end. */
const TELLING_VARINTS: readonly (readonly number[])[] = [
  [0x00],
  [0x7f],
  [0x80, 0x01],
  [0x80, 0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];

/** The ways a file is damaged. Each takes at least one byte and returns a new array. */
const MUTATIONS = {
  /** One bit turned over. */
  flip: ({ bytes, random }) => {
    const out = bytes.slice();
    const i = random.int(out.length);
    out[i] = (out[i] ?? 0) ^ (1 << random.int(8));
    return out;
  },
  /** One byte replaced by a telling one. */
  poke: ({ bytes, random }) => {
    const out = bytes.slice();
    out[random.int(out.length)] = pick(random, TELLING_BYTES);
    return out;
  },
  /** The end cut off. */
  truncate: ({ bytes, random }) => bytes.slice(0, random.int(bytes.length)),
  /** Some bytes taken out. */
  remove: ({ bytes, random }) => {
    const [from, to] = range(random, bytes.length);
    return concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  /** Random bytes put in. */
  insert: ({ bytes, random }) => {
    const noise = Uint8Array.from({ length: 1 + random.int(16) }, () => random.int(256));
    const at = random.int(bytes.length + 1);
    return concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
  },
  /** Some bytes written many times over. */
  repeat: ({ bytes, random }) => {
    const [from, to] = range(random, bytes.length);
    const times = 1 + random.int(64);
    return concat([bytes.subarray(0, to), ...new Array<Uint8Array>(times).fill(bytes.subarray(from, to)), bytes.subarray(to)]);
  },
  /** A part of another file put in the place of a part of this one. */
  splice: ({ bytes, random, donors }) => {
    const donor = donors.length === 0 ? bytes : pick(random, donors);
    const [from, to] = range(random, bytes.length);
    const [start, end] = range(random, donor.length);
    return concat([bytes.subarray(0, from), donor.subarray(start, end), bytes.subarray(to)]);
  },
  /** A length or size replaced: a telling varint in the place of a byte. */
  lengthen: ({ bytes, random }) => {
    const at = random.int(bytes.length);
    return concat([bytes.subarray(0, at), Uint8Array.from(pick(random, TELLING_VARINTS)), bytes.subarray(at + 1)]);
  },
  /** A 32-bit little-endian word replaced by one at the end of its range. */
  word: ({ bytes, random }) => {
    const out = bytes.slice();
    const at = random.int(Math.max(1, out.length - 3));
    const word = pick(random, [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc]);
    for (let k = 0; k < 4 && at + k < out.length; k++) out[at + k] = (word >>> (8 * k)) & 0xff;
    return out;
  },
  /** The file put inside itself: a length-delimited field with a copy of the rest of the file. */
  nest: ({ bytes, random }) => {
    const at = random.int(bytes.length);
    const [start, end] = range(random, bytes.length);
    const inner = bytes.subarray(start, end);
    return concat([
      bytes.subarray(0, at),
      Uint8Array.from([pick(random, TELLING_BYTES), ...varint(inner.length)]),
      inner,
      bytes.subarray(at),
    ]);
  },
} as const satisfies Record<string, (material: Material) => Uint8Array>;

/** Name of one way to damage a file. */
export type MutationName = keyof typeof MUTATIONS;

/** All of them. */
export const MUTATION_NAMES = Object.keys(MUTATIONS) as readonly MutationName[];

/**
 * Damages a file in one to `maxSteps` seeded steps; the seed file is not touched. Same seed of `random`, same mutant.
 *
 * @example
 * const { bytes, steps } = mutate(file, seededRandom(7), { donors: [other] });
 */
export function mutate(file: Uint8Array, random: Random, options: MutateOptions = {}): Mutant {
  const { maxSteps, maxBytes } = { ...MUTATE_DEFAULTS, ...options };
  const steps: MutationName[] = [];
  let bytes = file;
  for (let left = 1 + random.int(maxSteps); left > 0 && bytes.length > 0; left--) {
    const name = pick(random, MUTATION_NAMES);
    steps.push(name);
    bytes = MUTATIONS[name]({ bytes, random, donors: options.donors ?? [] });
    if (bytes.length > maxBytes) bytes = bytes.slice(0, maxBytes);
  }
  return { bytes, steps };
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)] as T;
}

/** A range within `[0, length)`, short ones far more often than long ones. */
function range(random: Random, length: number): readonly [from: number, to: number] {
  const from = random.int(length + 1);
  const size = Math.floor((length - from) ** random.next());
  return [from, Math.min(length, from + size)];
}

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
  return out;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
