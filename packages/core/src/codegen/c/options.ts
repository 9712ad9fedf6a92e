import type { ConstantKind } from "./constants.ts";
import type { DeviceIsa } from "./isa.ts";

/** Options of emitC. */
export interface EmitOptions {
  /** What files, functions and macros begin with; made a C identifier by cPrefix. */
  readonly name: string;
  /**
   * Which forms of the kernels the header holds: portable C alone, that and the one named, or all. Scratch memory must have been planned for each of
   * them; a form that is not there is left to portable C.
   */
  readonly isa?: DeviceIsa | "all";
  /** SHA-256 of the model file, hexadecimal; a macro of the header. */
  readonly modelSha256?: string;
  /** Version of the generator; a macro of the header. */
  readonly generator?: string;
  /** Seed of the built-in self-test's input; no self-test for "none". */
  readonly selfTest?: number | "none";
  /** "cosine": a function that compares two outputs by their angle, in integers. */
  readonly head?: "none" | "cosine";
}

/** Defaults of {@link EmitOptions}. */
export const EMIT_DEFAULTS = {
  isa: "all",
  modelSha256: "",
  generator: "tessera",
  selfTest: 1,
  head: "none",
} as const satisfies Omit<EmitOptions, "name">;

/** One step of the program as TS_PROFILE counts it. */
export interface EmittedLayer {
  readonly index: number;
  /** Name of the model's node. */
  readonly node: string;
  readonly kind: string;
  /** Multiplications by weights. */
  readonly macs: number;
  /** Name of the C function that computes it; several layers may share one. */
  readonly function: string;
}

/** An input or output of the emitted model. */
export interface EmittedPort {
  /** Name in the model. */
  readonly name: string;
  /** Function that gives the pointer: `int8_t *f(void *arena)`. None for an input whose rows are pushed. */
  readonly function: string | undefined;
  /** What its macros begin with, such as KWS_INPUT. */
  readonly macro: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** Rows that are pushed. */
export interface EmittedPush {
  /** `void f(void *arena)`: forgets what was pushed. */
  readonly reset: string;
  /** `int f(void *arena, const int8_t *row)`: rows still wanted. */
  readonly push: string;
  readonly rows: number;
  readonly rowBytes: number;
}

/** Standalone C99 of a model. */
export interface EmittedC {
  /** Text by file name: <name>.h, <name>.c, <name>_weights.h, <name>_weights.c, <name>_kernels.h. */
  readonly files: ReadonlyMap<string, string>;
  /** Prefix of files and functions, as it became. */
  readonly name: string;
  /** Prefix of macros. */
  readonly macro: string;
  readonly header: string;
  /** `int f(void *arena)`: 0 when it ran. */
  readonly run: string;
  readonly inputs: readonly EmittedPort[];
  readonly outputs: readonly EmittedPort[];
  readonly push: EmittedPush | undefined;
  /** `int f(void *arena)`: 0 when the outputs of the built-in input are right. */
  readonly selfTest: string | undefined;
  readonly arenaBytes: number;
  readonly alignment: number;
  readonly layers: readonly EmittedLayer[];
  /** Names of the kernels used, with their helpers. */
  readonly kernels: readonly string[];
  /** Bytes of constants by kind, each array once. */
  readonly bytes: Readonly<Record<ConstantKind, number>>;
}
