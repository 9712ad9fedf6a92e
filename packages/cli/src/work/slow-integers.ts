import type { Candidate } from "@tessera/core/protocol/report";

/** Integers count as slower from this factor on: less than that timing does not show. */
const SLOWER = 1.05;

/**
 * In words, that computing in statically quantized integers is slower here than the variant computed in float that was picked, and what makes them so; `undefined` when they are not.
 * What the runtime really computes in float, or in a slow kernel, is the reason.
 */
export function slowIntegers(candidates: readonly Candidate[], picked: Candidate): string | undefined {
  // Weights stored as integers are computed in float.
  if (!["float32", "float16", "weight-only-int8"].includes(picked.scheme)) return undefined;
  const integers = candidates.filter((c) => c.scheme === "static-int8");
  const [fastest] = [...integers].sort((a, b) => ratio(a) - ratio(b));
  if (fastest === undefined || ratio(fastest) < ratio(picked) * SLOWER) return undefined;
  const times = (ratio(fastest) / ratio(picked)).toFixed(1);
  const why = reasonOf(fastest);
  return `Computing in INT8 would be ${times}x slower here${why === undefined ? "" : ` because ${why}`}; picked ${picked.says}`;
}

function ratio({ latency }: Candidate): number {
  return latency.ratioToBaseline.median;
}

/** What most of the nodes outside accelerated integer kernels have in common. */
function reasonOf({ fusion }: Candidate): string | undefined {
  const fallback = [...(fusion?.delegation?.fallback ?? [])].filter((f) => f.op !== "RESHAPE").sort((a, b) => b.count - a.count);
  const [slow] = fallback;
  if (slow !== undefined) return `${slow.op} (${slow.count} of them) has no accelerated integer kernel`;
  const byOp = new Map<string, number>();
  for (const { op } of fusion?.islands ?? []) byOp.set(op, (byOp.get(op) ?? 0) + 1);
  const [most] = [...byOp].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return most === undefined ? undefined : `${most[0]} (${most[1]} of them) has no integer kernel`;
}
