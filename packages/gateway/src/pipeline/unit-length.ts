import { fail } from "@tessera/core/base/error";

/** A vector divided by its length. @throws RUNTIME_FAILED when it has none, or is not finite: a network that fell over must not pass for a person */
export function unitLength(vector: Float32Array): Float32Array {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += (vector[i] as number) ** 2;
  if (!(squares > 0 && squares < Number.POSITIVE_INFINITY))
    throw fail("RUNTIME_FAILED", "Cannot use an embedding: the network gave zeros or numbers that are not finite");
  const scale = 1 / Math.sqrt(squares);
  return vector.map((value) => value * scale);
}
