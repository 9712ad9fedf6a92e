import type { MemoryPlan } from "../memory-plan.ts";
import type { DeviceStep } from "./program.ts";

/** A ring of rows that a step of a stream keeps of its input. */
export interface RowRing {
  /** Rows kept: the kernel's height (with dilation), or 1 for a step that needs only the row at hand. */
  readonly rows: number;
  /** Columns with the padding on both sides. */
  readonly columns: number;
  readonly channels: number;
  readonly bytes: number;
  /** Name of its memory block. */
  readonly block: string;
}

/** One step inside a stream. */
export interface StreamStage {
  readonly step: DeviceStep;
  /** Rows of its input that it keeps; none when it works on a row as it comes. */
  readonly ring?: RowRing;
  /** Block that holds one row of its output before the next stage takes it; none for the last stage, which writes its rows to the output value. */
  readonly row?: string;
  /** Other operands that are read row by row from a value that lies there whole (the shortcut of an Add). */
  readonly beside: readonly string[];
}

/** What runs at one moment of a schedule. */
export type ScheduleItem =
  /** A step over whole values. `ring`: block of the row ring of a depthwise step that works in place; `scratch`: block of what its kernel needs besides. */
  | { readonly kind: "layer"; readonly step: DeviceStep; readonly ring?: RowRing; readonly scratch?: string }
  /**
   * Steps that hand rows to each other. `pushed`: the rows of the input come from outside (the camera), one at a time, and the input value never lies in
   * memory whole; only the first item of a schedule can be.
   */
  | { readonly kind: "stream"; readonly stages: readonly StreamStage[]; readonly pushed: boolean };

/** When each step of a program runs and where its memory lies. */
export interface Schedule {
  readonly items: readonly ScheduleItem[];
  /** Offsets of all blocks: values (by name of the value that owns the memory), rings, rows, scratch. */
  readonly memory: MemoryPlan;
  /** Values that share the memory of another one: views, and outputs written in place. name -> owner, never a chain. */
  readonly owners: ReadonlyMap<string, string>;
  /** Peak of what a plan without any of in-place work, rings and streams would need, for comparison: bytes. */
  readonly plainArenaBytes: number;
}
