import type { Feeds } from "@tessera/core/graph/runtime";
import { sameTensor, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { importOrt } from "@tessera/runtimes/ort-module";
import { fromOrtTensor, toOrtTensor } from "@tessera/runtimes/ort-tensor";

const ort = await importOrt("node");

/**
 * Outputs of an ONNX file on onnxruntime with every rewriting of its own switched off, so that two files that say the same in other words can be
 * compared.
 */
export async function runPlain(bytes: Uint8Array, feeds: Feeds): Promise<Feeds> {
  const session = await ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: "disabled",
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const fed = Object.fromEntries([...feeds].map(([name, tensor]) => [name, toOrtTensor(ort, tensor)]));
    const outputs = await session.run(fed);
    return new Map(session.outputNames.map((name) => [name, fromOrtTensor(outputs[name] as never)]));
  } finally {
    await session.release();
  }
}

/** Largest difference of two tensors' elements, relative to 1 + |a|; infinite when type, shape or NaNs differ. */
export function largestDifference(a: Tensor, b: Tensor): number {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return Number.POSITIVE_INFINITY;
  if (sameTensor(a, b)) return 0;
  const [p, q] = [toNumbers(a), toNumbers(b)];
  let worst = 0;
  for (let i = 0; i < p.length; i++) {
    const [x, y] = [p[i] as number, q[i] as number];
    const d = Object.is(x, y) ? 0 : Math.abs(x - y) / (1 + Math.abs(x));
    worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(worst, d);
  }
  return worst;
}
