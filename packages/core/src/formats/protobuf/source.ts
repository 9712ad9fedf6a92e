/** The bytes a message was read from. */
export interface Source {
  readonly file: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/*
 * A message that was written in the one canonical way (fields in ascending order, shortest varints, unknown fields last) comes out the
 * same when it is written again, so nothing needs to be remembered about it. The few others are remembered here with their bytes. The
 * record itself is frozen, so a remembered one cannot have been touched; a changed copy is another object and is written canonically.
 */
const sources = new WeakMap<object, Source>();

/** Remembers the bytes of a record that would not come out the same. */
export function rememberSource(record: object, source: Source): void {
  sources.set(record, source);
}

/** Forgets it again: the record is no longer what stands in that one place. */
export function forgetSource(record: object): void {
  sources.delete(record);
}

/** The remembered bytes, if any. */
export function sourceOf(record: object): Source | undefined {
  return sources.get(record);
}
