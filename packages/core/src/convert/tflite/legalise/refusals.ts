import type { LegaliseRow } from "./row.ts";

/** Why an operator cannot be said in TFLite, and what its user can do. */
interface Refusal {
  readonly ops: readonly string[];
  readonly why: string;
  readonly rewrite: string;
}

/** Operators that no rewrite helps. */
const REFUSALS: readonly Refusal[] = [
  {
    ops: ["If"],
    why: "the branch depends on data; only a condition that follows from sizes and constants can be resolved",
    rewrite: "Split the model at the branch, or compute both branches and choose between their results with Where",
  },
  {
    ops: ["Loop", "Scan"],
    why: "it repeats a graph; the runtimes that are meant here run no WHILE",
    rewrite: "Export the model with the loop unrolled for a fixed number of steps",
  },
  {
    ops: ["NonZero", "Compress", "Unique", "NonMaxSuppression"],
    why: "the size of its result depends on the data",
    rewrite: "End the model before this operator and do this step on the host, as detectors' decoders do",
  },
  {
    ops: [
      "Hardmax",
      "GatherElements",
      "ScatterElements",
      "ScatterND",
      "MaxUnpool",
      "MaxRoiPool",
      "RoiAlign",
      "GridSample",
      "AffineGrid",
    ],
    why: "TFLite has no such operator",
    rewrite: "Move this step out of the model to the host, or replace it by operators listed in docs/ops.md",
  },
  {
    ops: ["Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "DFT", "STFT", "MelWeightMatrix", "BitShift"],
    why: "TFLite has no such function",
    rewrite:
      "Compute it on the host, or fold it into a table or a constant product (an STFT is a convolution with a constant kernel)",
  },
  {
    ops: ["Einsum"],
    why: "its equation is not taken apart",
    rewrite: "Write it with MatMul, Transpose and ReduceSum",
  },
  {
    ops: ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"],
    why: "it is random, and two runtimes would not agree",
    rewrite: "Take the random operator out: authentication models need none at inference",
  },
  {
    ops: ["DeformConv"],
    why: "TFLite has no such operator",
    rewrite: "Replace the deformable convolution by a plain one and train again",
  },
];

/** The refusals as rows, asked after all others. */
export const REFUSAL_ROWS: readonly LegaliseRow[] = REFUSALS.map(({ ops, why, rewrite }) => ({
  name: `refuse-${(ops[0] as string).toLowerCase()}`,
  ops,
  says: why,
  costs: "The conversion",
  rewrite: (site) => site.cannot(why, rewrite),
}));
