/** Pictures of one person at most: one with hundreds of them would be all there is. */
const OF_A_PERSON = 3;

/**
 * Up to `most` rows of a set, in order: pictures of people who have several come first, so that there are genuine comparisons among few, then one of
 * each of the others.
 *
 * @param subjects - subject number of each row
 */
export function fewFaces(subjects: Int32Array, most: number): readonly number[] {
  const count = new Map<number, number>();
  for (const subject of subjects) count.set(subject, (count.get(subject) ?? 0) + 1);
  const taken = new Map<number, number>();
  const several: number[] = [];
  const single: number[] = [];
  subjects.forEach((subject, row) => {
    const before = taken.get(subject) ?? 0;
    if (before >= OF_A_PERSON) return;
    taken.set(subject, before + 1);
    ((count.get(subject) ?? 0) > 1 ? several : single).push(row);
  });
  return [...several, ...single].slice(0, most).sort((a, b) => a - b);
}
