/**
 * Builds of LiteRT in its npm package. "compat" has 128-bit SIMD that gives the same numbers on every machine. "relaxed" also uses relaxed
 * SIMD, whose results may depend on the processor.
 */
export type LitertBuild = "compat" | "relaxed";
