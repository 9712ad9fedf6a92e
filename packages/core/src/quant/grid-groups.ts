/** A grid that a kernel fixes: zero point as for unsigned types. */
export interface FixedGrid {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** What is known of the encoding that some values must share. */
export interface GridGroup {
  readonly members: readonly string[];
  readonly fixed: FixedGrid | undefined;
  /** Its encoding stands for the bounds of a Clip that no kernel knows, so that nothing else may widen it. */
  readonly bounded: boolean;
  /** It is moved onto its grid from another one, and so takes any. */
  readonly pliable: boolean;
}

/** Values in groups of one encoding each: union-find, where a group carries what fixes its grid. Values not seen yet are groups of their own. */
export class GridGroups {
  private readonly above = new Map<string, string>();
  private readonly groups = new Map<string, GridGroup>();

  private root(name: string): string {
    let root = name;
    for (let next = this.above.get(root); next !== undefined; next = this.above.get(root)) root = next;
    for (let at = name; at !== root; ) {
      const next = this.above.get(at) as string;
      this.above.set(at, root);
      at = next;
    }
    return root;
  }

  /** The group of a value. */
  of(name: string): GridGroup {
    const root = this.root(name);
    return this.groups.get(root) ?? { members: [root], fixed: undefined, bounded: false, pliable: false };
  }

  /** Whether two values share their encoding. */
  together(a: string, b: string): boolean {
    return this.root(a) === this.root(b);
  }

  fix(name: string, fixed: FixedGrid): void {
    this.groups.set(this.root(name), { ...this.of(name), fixed });
  }

  bound(name: string): void {
    this.groups.set(this.root(name), { ...this.of(name), bounded: true });
  }

  bend(name: string): void {
    this.groups.set(this.root(name), { ...this.of(name), pliable: true });
  }

  /** Whether two groups may become one. */
  fits(a: string, b: string): boolean {
    if (this.together(a, b)) return true;
    const [one, other] = [this.of(a), this.of(b)];
    if (one.bounded || other.bounded) return false;
    if (one.pliable || other.pliable) return true;
    return one.fixed?.scale === other.fixed?.scale && one.fixed?.zeroPoint === other.fixed?.zeroPoint;
  }

  /** Makes one group of two; the caller has asked whether they fit. */
  join(a: string, b: string): void {
    const [to, from] = [this.root(a), this.root(b)];
    if (to === from) return;
    const [kept, gone] = [this.of(to), this.of(from)];
    this.above.set(from, to);
    this.groups.delete(from);
    // Two pliable values stay so together; beside any other, that one decides.
    const pliable = kept.pliable && gone.pliable;
    const members = [...kept.members, ...gone.members];
    this.groups.set(to, { members, fixed: kept.fixed ?? gone.fixed, bounded: false, pliable });
  }

  /** The groups with more than one member. */
  joined(): readonly GridGroup[] {
    return [...this.groups.values()].filter((g) => g.members.length > 1);
  }
}
