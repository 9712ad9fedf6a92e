import type { RANDOM } from "../../ops/random.ts";
import type { NoKernel } from "../kernel.ts";

const UNREPEATABLE: NoKernel = { unsupported: "it draws random numbers, and no two runtimes draw the same ones" };

/** Random generators: none has a reference. */
export const RANDOM_KERNELS = {
  Bernoulli: UNREPEATABLE,
  Multinomial: UNREPEATABLE,
  RandomNormal: UNREPEATABLE,
  RandomNormalLike: UNREPEATABLE,
  RandomUniform: UNREPEATABLE,
  RandomUniformLike: UNREPEATABLE,
} as const satisfies Record<keyof typeof RANDOM, NoKernel>;
