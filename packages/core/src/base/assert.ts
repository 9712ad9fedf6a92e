/** Asserts an invariant of our own code (never a property of user input: that is {@link fail}'s job). */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Broken invariant: ${message}`);
}

/** The element at `index`; a hole is a bug of ours, not of the input. */
export function at<T>(list: ArrayLike<T>, index: number): T {
  const value = list[index];
  if (value === undefined) throw new Error(`Broken invariant: index ${index} outside 0..${list.length - 1}`);
  return value;
}
