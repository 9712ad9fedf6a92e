/**
 * The report of `tessera mcu`: what a network costs on a microcontroller, told before anybody flashes a board. Plain JSON; the table and the page are made
 * of it. Sizes are bytes.
 */
export interface McuReport {
  readonly kind: "tessera-mcu-report";
  readonly version: 1;
  readonly tool: { readonly name: "tessera"; readonly version: string };
  readonly model: McuModel;
  readonly target: McuTarget;
  /** What stands in the way, and what costs more than it must; the worst first. With an "error" among them nothing was exported. */
  readonly faults: readonly McuFault[];
  /** Absent when the model cannot be exported. */
  readonly figures?: McuFigures;
  /** Of the bundle for the interpreter, when it was asked for. */
  readonly bundle?: McuBundle;
  readonly artefacts: readonly McuArtefact[];
  readonly notes: readonly string[];
  /** What the tool would do next, in sentences. */
  readonly next: readonly string[];
}

/** The model that came in. */
export interface McuModel {
  readonly file: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Nodes by operator. */
  readonly operators: Readonly<Record<string, number>>;
}

/** What it is built for. */
export interface McuTarget {
  /** Of the target's row. */
  readonly id: string;
  /** As --cpu names it. */
  readonly cpu: string;
  readonly says: string;
  readonly isa: "portable" | "dsp" | "mve";
  readonly flashBytes: number;
  readonly ramBytes: number;
  /** Where the two sizes come from. */
  readonly budget: string;
}

/**
 * Something about the model that a user should know before it is exported. "error": it cannot be exported as it is; "cost": it can, and this makes it larger
 * or slower than need be.
 */
export interface McuFault {
  readonly severity: "error" | "cost";
  /** The node concerned; absent when it is the whole model or a value. */
  readonly node?: string;
  /** Its operator. */
  readonly op?: string;
  /** How many nodes are concerned, when it is said of all of a kind at once. */
  readonly nodes?: number;
  readonly says: string;
  /** What to do: a rewrite of the network, or a command to type. */
  readonly suggestion: string;
}

/** Where a figure comes from: counted or read from what was built and run, or worked out without a compiler. */
export type McuBasis = "measured" | "estimate";

/** Everything that has a number. */
export interface McuFigures {
  readonly rounding: { readonly profile: string; readonly says: string };
  readonly pruned: McuPruned;
  readonly macs: number;
  readonly flash: McuFlash;
  readonly memory: McuMemory;
  readonly instructions: McuInstructions;
  readonly stack: { readonly basis: McuBasis; readonly bytes: number; readonly says: string };
  /** Absent where no model of the processor is known. */
  readonly cycles?: McuCycles;
  readonly fits: McuFits;
  /** What the interpreter would take for the same model; nothing of it was measured on this model. */
  readonly tflm: McuTflm;
  /** Why nothing was built or run, where it was not. */
  readonly notMeasured?: string;
  /** How what ran was held against the integer interpreter. */
  readonly verified?: readonly McuVerified[];
  /** sha-256 over names and contents of all sources, in order. */
  readonly sourcesSha256: string;
}

/** Channels that were taken out because they are the same whatever comes in. */
export interface McuPruned {
  readonly channels: number;
  /** Of so many in layers that have channels. */
  readonly of: number;
  readonly macsBefore: number;
  readonly macsAfter: number;
  readonly weightBytesBefore: number;
  readonly weightBytesAfter: number;
  readonly says: string;
}

/** Flash, by what lies in it. */
export interface McuFlash {
  readonly basis: McuBasis;
  readonly weights: number;
  /** Biases, multipliers and shifts. */
  readonly tables: number;
  readonly code: number;
  /** Other constants: lookup tables, indices, start-up data. */
  readonly rodata: number;
  readonly total: number;
  /** What else is in the linked image and not in these figures, such as the test bench. */
  readonly besides?: number;
  readonly says: string;
}

/** A piece of the arena, and when it is in use. */
export interface McuBlock {
  readonly name: string;
  readonly kind: "value" | "ring" | "row" | "scratch";
  readonly bytes: number;
  readonly offset: number;
  /** First and last item of the schedule that use it. */
  readonly first: number;
  readonly last: number;
}

/** The arena. */
export interface McuMemory {
  /** What the caller gives: everything that the plan places, and counts of rows where rows are pushed. */
  readonly arenaBytes: number;
  /** No plan of this schedule can be smaller; with these counts. */
  readonly lowerBoundBytes: number;
  readonly gapBytes: number;
  readonly method: string;
  /** Of the values alone, each in memory of its own: no working memory of kernels, nothing in place, no streams. */
  readonly plainArenaBytes: number;
  readonly stream: "never" | "auto" | "pushed";
  /** Layers that hand rows to each other; 0 without streams. */
  readonly streamedSteps: number;
  /** Rows of the input come from outside one by one: the input never lies in memory whole. */
  readonly pushed: boolean;
  readonly alignment: number;
  /** What runs, in order: the x axis of the occupancy chart. */
  readonly items: readonly string[];
  readonly blocks: readonly McuBlock[];
}

/** Instructions of a layer. */
export interface McuLayer {
  readonly name: string;
  readonly op: string;
  readonly macs: number;
  readonly instructions: number;
  /** Of the whole run. */
  readonly share: number;
}

/** Instructions of one inference. */
export interface McuInstructions {
  readonly basis: McuBasis;
  readonly total: number;
  /** Of all multiply-accumulates that are left. */
  readonly perMac: number;
  /** Before the first inference. */
  readonly init: number;
  readonly layers: readonly McuLayer[];
  /** Compiler, flags and emulator that the count belongs to; for an estimate, the table it comes from. */
  readonly says: string;
  readonly compiler?: string;
  readonly flags?: string;
  readonly emulator?: string;
}

/** A range of cycles under a named model: never a measurement. */
export interface McuCycles {
  readonly model: string;
  readonly low: number;
  readonly high: number;
  /** At this clock, milliseconds; absent when no clock was given. */
  readonly time?: { readonly mhz: number; readonly lowMs: number; readonly highMs: number };
  readonly says: string;
}

/** Whether it fits the board. */
export interface McuFits {
  readonly pass: boolean;
  /** "linked": the linker put the image into memories of these sizes, or refused. */
  readonly basis: "linked" | "estimate";
  readonly flashBytes: number;
  readonly ramBytes: number;
  readonly says: string;
}

/** An estimate for TensorFlow Lite for Microcontrollers. */
export interface McuTflm {
  readonly flashBytes: number;
  readonly arenaBytes: number;
  readonly instructions?: number;
  readonly says: string;
  readonly source: string;
}

/** A bundle for TensorFlow Lite for Microcontrollers. */
export interface McuBundle {
  readonly modelBytes: number;
  /** Exactly those that the resolver registers. */
  readonly operators: readonly string[];
  /** The offline plan that lies in the file, beside what the interpreter's own planner would take. */
  readonly plan: {
    readonly bytes: number;
    readonly lowerBoundBytes: number;
    readonly gapBytes: number;
    readonly greedyBytes: number;
  };
  /** What to reserve, by the kernels that the interpreter is built with. */
  readonly arenas: readonly {
    readonly kernels: string;
    readonly bytes: number;
    readonly plannedBytes: number;
    readonly persistentBytes: number;
    readonly marginBytes: number;
  }[];
  readonly says: string;
}

/** A board or host on which the sources ran. */
export interface McuVerified {
  readonly on: string;
  readonly inputs: number;
  /** Values of all outputs that were compared, and those that were not the integer interpreter's. */
  readonly compared: number;
  readonly different: number;
  readonly instructions?: number;
}

/** A file that was written. */
export interface McuArtefact {
  readonly file: string;
  readonly says: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}
