import type { Encoding, QuantPlan } from "../../graph/plan.ts";

/**
 * The plan as a host with kernels for unsigned activations computes it fastest: int8 activations become uint8 with every integer, and so every zero
 * point, 128 higher. The numbers that the integers stand for are the same ones, so the embeddings are. Weights and biases stay.
 *
 * @param weights - names of the tensors that are not activations
 */
export function withUnsignedActivations(plan: QuantPlan, weights: ReadonlySet<string>): QuantPlan {
  const tensors = new Map(
    [...plan.tensors].map(([name, encoding]): readonly [string, Encoding] =>
      encoding.dtype !== "int8" || encoding.axis !== undefined || weights.has(name) || encoding.range !== undefined
        ? [name, encoding]
        : [name, { ...encoding, dtype: "uint8", zeroPoint: encoding.zeroPoint.map((z) => z + 128) }],
    ),
  );
  return { ...plan, tensors };
}
