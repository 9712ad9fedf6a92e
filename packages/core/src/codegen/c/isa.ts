/**
 * Instruction sets that kernels are written for: "portable" is C99 alone, "dsp" the 16-bit multiplications of Cortex-M4, M7 and M33, "mve" the
 * vectors (Helium) of Cortex-M55 and M85.
 */
export type DeviceIsa = "portable" | "dsp" | "mve";
