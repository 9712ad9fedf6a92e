import type { MemoryPlan } from "../memory-plan.ts";
import type { DeviceStep } from "./program.ts";

/**
 * A ring of rows that a step keeps of its input. Rows are counted with the padding above: real row r is row v = r + top, it lies at
 * `offset + (v % rows) * columns * channels`, its first pixel `left` columns further. Output row y of a window with stride s reads rows
 * y * s to y * s + rows - 1 (every dilation-th of them).
 */
export interface RowRing {
  /** Rows kept: the kernel's height (with dilation), or 1 for a step that needs only the row at hand. */
  readonly rows: number;
  /** Columns with the padding on both sides. */
  readonly columns: number;
  readonly channels: number;
  /** Columns of padding before the row, and rows of padding above the picture. Rings of pools have neither columns nor rows of padding: their kernels skip what is missing. */
  readonly left: number;
  readonly top: number;
  readonly bytes: number;
  /** Name of its memory block. */
  readonly block: string;
}

/** Where a row goes that a stage of a stream has computed. */
export type RowTarget =
  /** Its row of the output value: the last stage. */
  | { readonly kind: "value" }
  /** Straight into its place in the ring of the next stage, behind the columns of padding. */
  | { readonly kind: "ring" }
  /** The stage's own block of one row, which the next stage reads. */
  | { readonly kind: "row" }
  /** The place y % rows of the queue that stage `stage` keeps of it, see StreamStage.queue. */
  | { readonly kind: "queue"; readonly stage: number };

/** Rows of an earlier stage that wait until a later one, the Add behind a block, reads them: row y lies at `offset + (y % rows) * rowBytes`. */
export interface RowQueue {
  /** Index of the stage in the item that makes the rows; -1 for rows that are pushed. */
  readonly from: number;
  /** Which of the step's inputs it is. */
  readonly operand: number;
  readonly rows: number;
  readonly rowBytes: number;
  readonly bytes: number;
  readonly block: string;
}

/** One step inside a stream. Its rows of input come from the stage before it, those of the first stage from the stream's input. */
export interface StreamStage {
  readonly step: DeviceStep;
  /** Which of the step's inputs flows; 0 for everything with one activation. */
  readonly operand: number;
  /** Rows of input and of output. */
  readonly inRows: number;
  readonly outRows: number;
  /** Bytes of one row of input and of output, without padding. */
  readonly inRowBytes: number;
  readonly outRowBytes: number;
  /** Rows of its input that it keeps; none when it works on a row as it comes. */
  readonly ring?: RowRing;
  /** Rows of a shortcut that it reads beside the row at hand. */
  readonly queue?: RowQueue;
  /**
   * Where its rows of output go. They are computed into the first target and copied into the others. Where there is none of kind "ring" or "value", the
   * next stage reads the first target in place (its row or the queue of a later stage).
   */
  readonly to: readonly RowTarget[];
  /** Block that holds one row of its output before the next stage takes it; there when `to` has a target of kind "row". */
  readonly row?: string;
  /** Block of what its kernel needs besides, for one row. */
  readonly scratch?: string;
  /** Other operands that are read row by row from a value that lies there whole (the shortcut of an Add). Constants are not among them. */
  readonly beside: readonly string[];
}

/** What runs at one moment of a schedule. */
export type ScheduleItem =
  /**
   * A step over whole values.
   *
   * `ring`: rows of the input. Convolutions and depthwise steps other than pointwise ones always have it: for each output row in turn, the rows that are
   * not yet in the ring are put into it, then the kernel reads the ring only. So the output may lie over rows of the input that were read: the plan says
   * where, nothing else needs to be known. A pointwise step (also FullyConnected of several rows) has a ring of one row only where its output overlaps
   * its input: `columns` pixels at a time (the last time fewer) are copied into the ring, then computed from there.
   *
   * `order` "backward": the pixels of a pointwise step with a ring from the last group to the first, the groups cut from the front as in "forward".
   * Steps of other kinds are always "forward". `scratch` keeps its contents from the first row of a layer to its last; in a stream other stages use the
   * same bytes in between. Elementwise steps may write over an operand without more ado (never with `restrict`): their output starts
   * at the operand or below it.
   */
  | {
      readonly kind: "layer";
      readonly step: DeviceStep;
      readonly ring?: RowRing;
      readonly order: "forward" | "backward";
      readonly scratch?: string;
    }
  /**
   * Steps that hand rows to each other. `pushed`: the rows of the input come from outside (the camera), one at a time, and the input value never lies in
   * memory whole; only the first item of a schedule can be. Otherwise the rows are taken from the input value from the first to the last.
   *
   * Order of events. At the start every ring of a window with padding is filled with the input's zero point, and its `top` rows count as received. When
   * row r of its input has come (it was written to its place in the ring, or lies where the stage before has put it), a stage makes all output rows that
   * can be made, in turn: a step with a window makes row y when row y * stride + rows - 1 of the ring's count has come, or when r was the last row: then
   * the rows of padding below are filled with the zero point, each in its place of the ring, as far as row y needs them. A step without a window makes
   * row r. Each row made is handed to the next stage at once, which makes its rows before this stage goes on with its next one.
   */
  | { readonly kind: "stream"; readonly stages: readonly StreamStage[]; readonly pushed: boolean };

/** What lies in the arena at one moment. */
export interface Occupancy {
  /** Index of the item; items with several stages have one moment for each stage. */
  readonly item: number;
  readonly stage: number;
  readonly node: string;
  readonly blocks: readonly { readonly name: string; readonly offset: number; readonly bytes: number }[];
  /** Bytes of the arena that some block covers; overlapping ones count once. */
  readonly liveBytes: number;
  /** From the lowest to the highest byte in use. */
  readonly topBytes: number;
}

/** When each step of a program runs and where its memory lies. */
export interface Schedule {
  readonly items: readonly ScheduleItem[];
  /** Offsets of all blocks: values (by name of the value that owns the memory), rings, rows, queues, scratch. A pushed input has none. */
  readonly memory: MemoryPlan;
  /** Views: name -> the value whose memory it is, never a chain. Outputs written in place have an offset of their own that overlaps their input's. */
  readonly owners: ReadonlyMap<string, string>;
  readonly alignment: number;
  /** Whether no plan of these blocks can be smaller: the lower bound is reached, a search has shown that it cannot be, or neither is known. */
  readonly proof: "bound-reached" | "gap-proven" | "open";
  /** No plan of these blocks is smaller than this. */
  readonly provenBytes: number;
  /** Peak of what a plan without any of in-place work, rings and streams would need, for comparison: bytes. */
  readonly plainArenaBytes: number;
  /** Lower bound of that plan. */
  readonly plainLowerBoundBytes: number;
  readonly occupancy: readonly Occupancy[];
}
