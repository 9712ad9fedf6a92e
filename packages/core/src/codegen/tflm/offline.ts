import type { MemoryBlock } from "../lifetimes.ts";
import { planMemory } from "../memory-plan.ts";

/** A tensor of the file that lies in the arena, from its first to its last step. */
export interface PlannedTensor {
  readonly index: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Scratch memory that the kernel of a step asks for. */
export interface StepScratch {
  readonly step: number;
  readonly bytes: number;
}

/** Offsets for the interpreter, with what they gain. */
export interface OfflinePlan {
  /** Bytes from the start of the arena, by tensor. */
  readonly offsets: ReadonlyMap<number, number>;
  /** End of the highest tensor or scratch. */
  readonly plannedBytes: number;
  readonly lowerBoundBytes: number;
  readonly gapBytes: number;
  /** What the interpreter's own planner would take: see {@link greedyBySize}. */
  readonly greedyBytes: number;
}

/** The interpreter aligns every tensor to it. */
const ALIGNMENT = 16;

const blocksOf = (tensors: readonly PlannedTensor[], scratches: readonly StepScratch[]): MemoryBlock[] => [
  ...tensors.map(({ index, bytes, first, last }) => ({ name: String(index), bytes, first, last })),
  ...scratches.map(({ step, bytes }) => ({ name: `scratch ${step}`, bytes, first: step, last: step })),
];

/**
 * Plans the arena of an interpreter ahead of time: tensors get offsets, and room is left for the scratch memory, which the interpreter itself places
 * between them. No tensor is written in place: its kernels are not made for that.
 */
export function planOffline(tensors: readonly PlannedTensor[], scratches: readonly StepScratch[]): OfflinePlan {
  const blocks = blocksOf(
    tensors.filter((t) => t.bytes > 0),
    scratches.filter((s) => s.bytes > 0),
  );
  const plan = planMemory(blocks, { alignment: ALIGNMENT });
  return {
    offsets: new Map(
      tensors.filter((t) => t.bytes > 0).map(({ index }) => [index, plan.offsets.get(String(index)) as number] as const),
    ),
    plannedBytes: plan.arenaBytes,
    lowerBoundBytes: plan.lowerBoundBytes,
    gapBytes: plan.gapBytes,
    greedyBytes: greedyBySize(blocks),
  };
}

/** End of the arena when each scratch goes to the lowest place that is free at its step, between tensors that are where they are. */
export function plannedWith(
  tensors: readonly PlannedTensor[],
  offsets: ReadonlyMap<number, number>,
  scratches: readonly StepScratch[],
): number {
  const end = (t: PlannedTensor): number => alignUp((offsets.get(t.index) ?? 0) + t.bytes);
  let top = tensors.reduce((most, t) => Math.max(most, end(t)), 0);
  for (const { step, bytes } of scratches) {
    const live = tensors
      .filter((t) => t.bytes > 0 && t.first <= step && step <= t.last)
      .map((t) => [offsets.get(t.index) ?? 0, end(t)] as const)
      .sort((a, b) => a[0] - b[0]);
    let at = 0;
    for (const [from, to] of live) {
      if (at + bytes <= from) break;
      at = Math.max(at, to);
    }
    top = Math.max(top, alignUp(at + bytes));
  }
  return top;
}

/**
 * The arena of the interpreter's default planner: blocks by size, the largest first, and of equal ones the later first, each at the lowest place
 * that is free during its life. Source: GreedyMemoryPlanner of TensorFlow Lite for Microcontrollers.
 */
export function greedyBySize(blocks: readonly MemoryBlock[]): number {
  const order = [...blocks].sort((a, b) => b.bytes - a.bytes || b.first - a.first);
  const placed: { readonly block: MemoryBlock; readonly at: number }[] = [];
  let top = 0;
  for (const block of order) {
    const beside = placed.filter((p) => p.block.first <= block.last && block.first <= p.block.last).sort((a, b) => a.at - b.at);
    let at = 0;
    for (const other of beside) {
      if (at + alignUp(block.bytes) <= other.at) break;
      at = Math.max(at, other.at + alignUp(other.block.bytes));
    }
    placed.push({ block, at });
    top = Math.max(top, at + alignUp(block.bytes));
  }
  return top;
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
