/** What a search found out so far. `add` returns when the record is safe: after a crash the same search goes on from there. */
export interface SearchJournal {
  /** Values by key; of a key that was added twice the last. */
  readonly known: ReadonlyMap<string, unknown>;
  add(key: string, value: unknown): void;
}

/** A journal that forgets with the process. */
export function memoryJournal(): SearchJournal {
  const known = new Map<string, unknown>();
  return { known, add: (key, value) => known.set(key, value) };
}

/** How often a {@link Recall} computed, and how often it knew. */
export interface RecallCount {
  computed: number;
  recalled: number;
}

/** Computes a value once and for all runs of a search. */
export type Recall = <T>(key: string, compute: () => Promise<T>) => Promise<T>;

/**
 * Looks results up in a journal before computing them. What is computed goes through JSON once, so that a run that recalls it decides on the very same
 * numbers as the run that computed it.
 */
export function recallFrom(journal: SearchJournal, count: RecallCount): Recall {
  return async <T>(key: string, compute: () => Promise<T>): Promise<T> => {
    const known = journal.known.get(key);
    if (known !== undefined) {
      count.recalled++;
      return known as T;
    }
    const value: unknown = JSON.parse(JSON.stringify(await compute()));
    journal.add(key, value);
    count.computed++;
    return value as T;
  };
}
