/** A directed graph with capacities, for minimum cuts. Capacities are non-negative integers whose sums stay below 2^53. */
export class FlowNetwork {
  private readonly heads: number[][] = [];
  private readonly targets: number[] = [];
  private readonly room: number[] = [];

  /** Adds a vertex and gives its number. */
  vertex(): number {
    return this.heads.push([]) - 1;
  }

  /** Adds an edge: it costs `capacity` to have `from` on the source's side and `to` on the sink's. */
  edge(from: number, to: number, capacity: number): void {
    if (capacity <= 0 || from === to) return;
    (this.heads[from] as number[]).push(this.targets.length);
    this.targets.push(to);
    this.room.push(capacity);
    (this.heads[to] as number[]).push(this.targets.length);
    this.targets.push(from);
    this.room.push(0);
  }

  /**
   * Pushes the largest flow from `source` to `sink` (Dinic: shortest paths by levels) and gives the minimum cut: true for each vertex on the source's
   * side. Of several minimum cuts it is the one with the fewest vertices there.
   */
  minimumCut(source: number, sink: number): readonly boolean[] {
    for (;;) {
      const level = this.levels(source);
      if (level[sink] === -1) return level.map((l) => l !== -1);
      const next = new Array<number>(this.heads.length).fill(0);
      while (this.augment(source, sink, level, next));
    }
  }

  /** Distance of each vertex from the source over edges with room; -1 where it cannot be reached. */
  private levels(source: number): number[] {
    const level = new Array<number>(this.heads.length).fill(-1);
    level[source] = 0;
    const queue = [source];
    for (const at of queue) {
      for (const edge of this.heads[at] as number[]) {
        const to = this.targets[edge] as number;
        if ((this.room[edge] as number) > 0 && level[to] === -1) {
          level[to] = (level[at] as number) + 1;
          queue.push(to);
        }
      }
    }
    return level;
  }

  /** Pushes flow along one path that goes up by one level with each edge; `next` remembers edges that lead nowhere. */
  private augment(source: number, sink: number, level: readonly number[], next: number[]): boolean {
    const path: number[] = [];
    let at = source;
    while (at !== sink) {
      const heads = this.heads[at] as number[];
      const edge = heads[next[at] as number];
      if (edge === undefined) {
        const back = path.pop();
        if (back === undefined) return false;
        at = this.targets[back ^ 1] as number;
        next[at] = (next[at] as number) + 1;
      } else if ((this.room[edge] as number) > 0 && level[this.targets[edge] as number] === (level[at] as number) + 1) {
        path.push(edge);
        at = this.targets[edge] as number;
      } else next[at] = (next[at] as number) + 1;
    }
    // A loop, because a path through a long chain has more edges than a call may have arguments.
    let flow = Number.POSITIVE_INFINITY;
    for (const edge of path) flow = Math.min(flow, this.room[edge] as number);
    for (const edge of path) {
      this.room[edge] = (this.room[edge] as number) - flow;
      this.room[edge ^ 1] = (this.room[edge ^ 1] as number) + flow;
    }
    return true;
  }
}
