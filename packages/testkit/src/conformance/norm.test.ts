import { float } from "@tessera/core/graph/node";
import { NORM } from "@tessera/core/ops/norm";
import fc from "fast-check";
import { arbAxis, arbShape, arbTensor, seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

// Inputs of whole numbers: the variance is zero or well away from it, so that single precision does not drown it in rounding.
const close = { relative: 2e-5, absolute: 1e-5 };

function alongAxis(op: string, attributes: OpCase["attributes"] = {}): fc.Arbitrary<OpCase> {
  return arbShape({ minRank: 1, minSize: 1 })
    .chain((shape) => fc.tuple(arbTensor("float32", shape), fc.option(arbAxis(shape.length), { nil: undefined })))
    .map(([x, axis]) => ({ op, inputs: [x], attributes: { ...(attributes as object), axis } }));
}

/** X [N, C, ...] with `extra` vectors of one number a channel, all positive where `positive` says so. */
function perChannel(
  op: string,
  options: { readonly extra: number; readonly minRank: number; readonly positive?: number; readonly minCells?: number },
): fc.Arbitrary<OpCase> {
  const { extra, minRank, positive, minCells = 1 } = options;
  return fc.tuple(arbShape({ minRank, maxRank: 5, minSize: 1 }), fc.nat(), fc.boolean()).map(([shape, seed, epsilon]) => {
    const sizes = shape.map((size, i) => (i === shape.length - 1 ? Math.max(size, minCells) : size));
    const vectors = Array.from({ length: extra }, (_, i) =>
      seededTensor("float32", [sizes[1] as number], { seed: seed + i + 1, ...(i === positive ? { min: 0.1, max: 4 } : {}) }),
    );
    return {
      op,
      inputs: [seededTensor("float32", sizes, { seed, whole: true }), ...vectors],
      attributes: epsilon ? { epsilon: float(0.01) } : {},
    };
  });
}

function layerCase(op: string, options: { readonly bias: boolean; readonly outputs: readonly string[] }): fc.Arbitrary<OpCase> {
  return arbShape({ minRank: 1, minSize: 1 }).chain((shape) =>
    fc.tuple(arbAxis(shape.length), fc.nat(), fc.boolean()).map(([axis, seed, bias]) => {
      const front = axis < 0 ? axis + shape.length : axis;
      const inner = shape.slice(front);
      const extra = bias && options.bias ? [seededTensor("float32", inner, { seed: seed + 2 })] : [];
      return {
        op,
        inputs: [
          seededTensor("float32", shape, { seed, whole: true }),
          seededTensor("float32", inner, { seed: seed + 1 }),
          ...extra,
        ],
        attributes: { axis, epsilon: float(1e-3) },
        outputs: options.outputs,
      };
    }),
  );
}

function groupCase(): fc.Arbitrary<OpCase> {
  return fc
    .record({
      batch: fc.integer({ min: 1, max: 2 }),
      groups: fc.integer({ min: 1, max: 3 }),
      each: fc.integer({ min: 1, max: 3 }),
      size: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
      seed: fc.nat(),
    })
    .map(({ batch, groups, each, size, seed }) => {
      const channels = groups * each;
      return {
        op: "GroupNormalization",
        inputs: [
          seededTensor("float32", [batch, channels, ...size], { seed, whole: true }),
          seededTensor("float32", [channels], { seed: seed + 1 }),
          seededTensor("float32", [channels], { seed: seed + 2 }),
        ],
        attributes: { num_groups: groups, epsilon: float(1e-3) },
      };
    });
}

function responseCase(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(arbShape({ minRank: 4, maxRank: 4, minSize: 1, maxSize: 6 }), fc.constantFrom(1, 3, 5), fc.nat())
    .map(([shape, size, seed]) => ({
      op: "LRN",
      inputs: [seededTensor("float32", shape, { seed })],
      attributes: { size, alpha: float(0.02), beta: float(0.6), bias: float(1.5) },
    }));
}

function varianceCase(): fc.Arbitrary<OpCase> {
  return arbShape({ minRank: 4, maxRank: 4, minSize: 2 }).chain((shape) =>
    fc
      .tuple(arbTensor("float32", shape), fc.option(fc.constantFrom([0, 2, 3], [2, 3], [0, 1, 2, 3]), { nil: undefined }))
      .map(([x, axes]) => ({
        op: "MeanVarianceNormalization",
        inputs: [x],
        attributes: { axes },
      })),
  );
}

opConformance("normalisation", {
  family: NORM,
  rows: {
    BatchNormalization: {
      cases: perChannel("BatchNormalization", { extra: 4, minRank: 2, positive: 3 }),
      tolerance: close,
      runs: 60,
    },
    GroupNormalization: { cases: groupCase(), tolerance: { relative: 2e-5, absolute: 2e-4 }, runs: 60 },
    Hardmax: { cases: alongAxis("Hardmax") },
    InstanceNormalization: {
      // Of a single cell nothing stays but rounding noise, divided by the root of epsilon.
      cases: perChannel("InstanceNormalization", { extra: 2, minRank: 3, minCells: 2 }),
      // Where all cells are equal, the rounding of the runtime's mean (10 * 2^-24) is divided by the root of 1e-5 and multiplied by up to 10.
      tolerance: { relative: 2e-5, absolute: 2e-3 },
    },
    LayerNormalization: {
      cases: layerCase("LayerNormalization", { bias: true, outputs: ["y0"] }),
      tolerance: { relative: 2e-5, absolute: 2e-4 },
      runs: 60,
    },
    "LayerNormalization with its statistics": {
      op: "LayerNormalization",
      cases: layerCase("LayerNormalization", { bias: true, outputs: ["y0", "y1", "y2"] }),
      tolerance: { relative: 1e-4, absolute: 2e-4 },
    },
    LogSoftmax: { cases: alongAxis("LogSoftmax"), tolerance: close },
    LpNormalization: { cases: fc.constantFrom(1, 2).chain((p) => alongAxis("LpNormalization", { p })), tolerance: close },
    LRN: { cases: responseCase(), tolerance: close },
    MeanVarianceNormalization: { cases: varianceCase(), tolerance: close },
    RMSNormalization: { cases: layerCase("RMSNormalization", { bias: false, outputs: ["y0"] }), tolerance: close },
    Softmax: { cases: alongAxis("Softmax"), tolerance: close },
  },
});
