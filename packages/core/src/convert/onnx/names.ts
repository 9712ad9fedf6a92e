/** Hands out names that are not taken. The same calls give the same names. */
export interface NameBook {
  /** Whether somebody has the name. */
  has(name: string): boolean;
  /** Takes a name; false when it was taken already. */
  take(name: string): boolean;
  /** `hint`, or `hint_1`, `hint_2` ... when it is taken; takes it. */
  fresh(hint: string): string;
}

/** An empty book. */
export function makeNameBook(): NameBook {
  const taken = new Set<string>();
  // Where to go on counting, so that a million nodes of one name do not take a million steps each.
  const next = new Map<string, number>();
  const take = (name: string): boolean => {
    if (taken.has(name)) return false;
    taken.add(name);
    return true;
  };
  return {
    has: (name) => taken.has(name),
    take,
    fresh(hint) {
      if (hint !== "" && take(hint)) return hint;
      for (let i = next.get(hint) ?? 1; ; i++) {
        const name = `${hint}_${i}`;
        if (!take(name)) continue;
        next.set(hint, i + 1);
        return name;
      }
    },
  };
}
