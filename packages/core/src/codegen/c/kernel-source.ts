/**
 * C source of one kernel in up to three forms. `portable` is C99 alone and always right; the others replace it where the compiler says that the processor
 * has the instructions (feature macros), and must compute the same bits. Every form defines the function called `name`.
 */
export interface KernelSource {
  /** Name of the C function, such as "ts_conv_row". */
  readonly name: string;
  /** Complete definition or definitions: no includes, no feature macros around it. */
  readonly portable: string;
  /** Form for __ARM_FEATURE_DSP (Cortex-M4, M7, M33). */
  readonly dsp?: string;
  /** Form for __ARM_FEATURE_MVE (Cortex-M55, M85). */
  readonly mve?: string;
  /** Names of other kernels (helpers) that any of the forms calls; they are defined before it. */
  readonly needs: readonly string[];
}

/** All kernels by name. */
export type KernelTable = ReadonlyMap<string, KernelSource>;

/** Forms for one instruction set by the name of the kernel that they replace; `needs` are the helpers that they call besides what the portable form needs. */
export type SpecialForms = Readonly<Record<string, { readonly source: string; readonly needs: readonly string[] }>>;
