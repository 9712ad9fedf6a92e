/** A piece of memory that a program needs from its first to its last step, both included. */
export interface MemoryBlock {
  readonly name: string;
  /** Bytes, > 0. */
  readonly bytes: number;
  /** Index of the step that writes it first; inputs are there from step 0. */
  readonly first: number;
  /** Index of the last step that reads or writes it; outputs stay until the last step of the program. */
  readonly last: number;
}

/** What one step of a program touches. */
export interface MemoryStep {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Bytes that the step needs while it runs, and nobody before or after. */
  readonly scratchBytes?: number;
}

/** A program as far as its memory is concerned. */
export interface MemoryProgram {
  readonly steps: readonly MemoryStep[];
  /** Written before the first step. */
  readonly inputs: readonly string[];
  /** Read after the last step. */
  readonly outputs: readonly string[];
  /** Bytes of every value that lives in the arena; names that are not here (constants) need none. */
  readonly sizes: ReadonlyMap<string, number>;
  /** A value that lies in the memory of another one because the step that makes it works in place: name -> whose. */
  readonly aliases?: ReadonlyMap<string, string>;
}

interface Span {
  bytes: number;
  first: number;
  last: number;
}

/**
 * From when to when each value of a program needs memory. Values that share memory become one block, as long as all of them together and as large
 * as the largest; scratch memory becomes a block of one step, named after it ("scratch of step 3").
 *
 * A value that nobody reads still lives at the step that writes it. Blocks come in the order of their first step, then of their names.
 *
 * @example
 * const blocks = lifetimesOf({ steps, inputs: ["image"], outputs: ["embedding"], sizes });
 * const plan = planMemory(blocks);
 */
export function lifetimesOf(program: MemoryProgram): readonly MemoryBlock[] {
  const end = Math.max(0, program.steps.length - 1);
  const spans = new Map<string, Span>();
  const touch = (value: string, step: number): void => {
    const bytes = program.sizes.get(value);
    if (bytes === undefined || bytes === 0) return;
    const owner = ownerOf(value, program.aliases);
    const span = spans.get(owner);
    if (span === undefined) spans.set(owner, { bytes, first: step, last: step });
    else {
      span.bytes = Math.max(span.bytes, bytes);
      span.first = Math.min(span.first, step);
      span.last = Math.max(span.last, step);
    }
  };
  for (const input of program.inputs) touch(input, 0);
  const scratch: MemoryBlock[] = [];
  for (const [index, step] of program.steps.entries()) {
    for (const name of step.writes) touch(name, index);
    for (const name of step.reads) touch(name, index);
    if (step.scratchBytes)
      scratch.push({ name: `scratch of step ${index}`, bytes: step.scratchBytes, first: index, last: index });
  }
  for (const output of program.outputs) touch(output, end);
  const blocks = Array.from(spans, ([name, span]): MemoryBlock => ({ name, ...span }));
  return [...blocks, ...scratch].sort((a, b) => a.first - b.first || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function ownerOf(value: string, aliases: ReadonlyMap<string, string> | undefined): string {
  let owner = value;
  // A chain of in-place steps is as long as the program at most, so a ring in the map ends here too.
  for (let hops = aliases?.size ?? 0; hops > 0; hops--) {
    const next = aliases?.get(owner);
    if (next === undefined) break;
    owner = next;
  }
  return owner;
}
