/** A directed graph whose cheapest cut between two terminals is wanted. Nodes are numbers from {@link CutGraph.node}. */
export interface CutGraph {
  readonly source: number;
  readonly sink: number;
  node(): number;
  /** Price of having `from` on the side of the source and `to` on the side of the sink; Infinity forbids it. */
  edge(from: number, to: number, price: number): void;
  /** Which nodes are on the side of the sink in the cheapest cut with the fewest of them. */
  sinkSide(): Uint8Array;
}

/** An empty graph with its two terminals. Prices must be whole numbers, so that sums are exact. */
export function cutGraph(): CutGraph {
  let count = 2;
  const to: number[] = [];
  const left: number[] = [];
  const next: number[] = [];
  const first: number[] = [-1, -1];
  const half = (from: number, target: number, price: number): void => {
    to.push(target);
    left.push(price);
    next.push(first[from] as number);
    first[from] = to.length - 1;
  };

  /** Distance of every node from the source along edges with room; -1 where there is no way. */
  function levels(): Int32Array {
    const level = new Int32Array(count).fill(-1);
    level[0] = 0;
    const queue = [0];
    for (let head = 0; head < queue.length; head++) {
      const at = queue[head] as number;
      for (let e = first[at] as number; e >= 0; e = next[e] as number) {
        const target = to[e] as number;
        if ((left[e] as number) > 0 && level[target] === -1) {
          level[target] = (level[at] as number) + 1;
          queue.push(target);
        }
      }
    }
    return level;
  }

  /** Pushes along shortest ways until they are full. An explicit stack, because a network may be one long chain. */
  function fill(level: Int32Array): void {
    const current = [...first];
    const path: number[] = [];
    let at = 0;
    for (;;) {
      if (at === 1) {
        let room = Number.POSITIVE_INFINITY;
        for (const e of path) room = Math.min(room, left[e] as number);
        for (const e of path) {
          left[e] = (left[e] as number) - room;
          left[e ^ 1] = (left[e ^ 1] as number) + room;
        }
        const full = path.findIndex((e) => left[e] === 0);
        at = to[(path[full] as number) ^ 1] as number;
        path.length = full;
        continue;
      }
      let e = current[at] as number;
      while (e >= 0 && !((left[e] as number) > 0 && level[to[e] as number] === (level[at] as number) + 1)) e = next[e] as number;
      current[at] = e;
      if (e >= 0) {
        path.push(e);
        at = to[e] as number;
        continue;
      }
      const back = path.pop();
      if (back === undefined) return;
      at = to[back ^ 1] as number;
      current[at] = next[current[at] as number] as number;
    }
  }

  return {
    source: 0,
    sink: 1,
    node() {
      first.push(-1);
      return count++;
    },
    edge(from, target, price) {
      half(from, target, price === Number.POSITIVE_INFINITY ? FORBIDDEN : price);
      half(target, from, 0);
    },
    sinkSide() {
      for (let level = levels(); level[1] !== -1; level = levels()) fill(level);
      // Backwards from the sink along edges that still have room.
      const side = new Uint8Array(count);
      side[1] = 1;
      const queue = [1];
      for (let head = 0; head < queue.length; head++) {
        const at = queue[head] as number;
        for (let e = first[at] as number; e >= 0; e = next[e] as number) {
          const other = to[e] as number;
          if ((left[e ^ 1] as number) > 0 && side[other] === 0) {
            side[other] = 1;
            queue.push(other);
          }
        }
      }
      return side;
    },
  };
}

/** More than any sum of prices, and still exact. */
const FORBIDDEN = 2 ** 50;
