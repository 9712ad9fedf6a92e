import { seededRandom } from "@tessera/core/base/random";
import { type Embeddings, embeddings } from "@tessera/core/biometrics/similarity";

/** The person of each sample: `each` samples of each of `people`, one after another. */
export function subjectsOf(people: number, each: number): Int32Array {
  return Int32Array.from({ length: people * each }, (_, i) => Math.floor(i / each));
}

/** Embeddings that look like their person: a normal vector for each, and `within` times another for each sample. Not of unit length. */
export function noisyFaces(
  subjects: Int32Array,
  { dim, within, seed }: { readonly dim: number; readonly within: number; readonly seed: number },
): Embeddings {
  const random = seededRandom(seed);
  const people = Array.from({ length: Math.max(...subjects) + 1 }, () => Array.from({ length: dim }, () => random.normal()));
  return embeddings(
    Float32Array.from({ length: subjects.length * dim }, (_, k) => {
      const person = people[subjects[Math.floor(k / dim)] as number] as number[];
      return (person[k % dim] as number) + within * random.normal();
    }),
    dim,
  );
}

/** The same embeddings moved by noise. */
export function movedBy({ data, dim }: Embeddings, by: number, seed: number): Embeddings {
  const random = seededRandom(seed);
  return embeddings(
    data.map((v) => v + by * random.normal()),
    dim,
  );
}
