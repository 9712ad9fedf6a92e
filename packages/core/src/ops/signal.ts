import { fail } from "../base/error.ts";
import { type Dim, dimAdd, dimFloorDiv, UNKNOWN_DIM } from "../graph/dim.ts";
import { dtypeFromOnnx } from "../graph/dtype.ts";
import { attrInt } from "../graph/node.ts";
import { checkRank } from "./nn-rules.ts";
import type { InferContext, OpRow } from "./row.ts";
import { normalAxis, opsPerInput, opsPerOutput, params, typeOf } from "./signature.ts";

function windowRow(): OpRow {
  return {
    since: 17,
    inputs: params("size"),
    outputs: params("output"),
    attributes: { output_datatype: { kind: "int", fallback: 1 }, periodic: { kind: "int", fallback: 1 } },
    infer: (context) => [
      typeOf(dtypeFromOnnx(attrInt(context.node, "output_datatype", 1)), [context.dims(0)?.[0] ?? UNKNOWN_DIM]),
    ],
    cost: opsPerOutput(4),
  };
}

/** Bins of a one-sided transform of `length` points. */
function half(length: Dim): Dim {
  return dimAdd(dimFloorDiv(length, 2), 1);
}

function inferDft(context: InferContext): ReturnType<OpRow["infer"]> {
  const { node, inputs } = context;
  const x = inputs[0];
  if (x?.shape === undefined) return [x];
  const rank = x.shape.length;
  const axisGiven = (node.inputs[2] ?? "") !== "";
  const axisDims = axisGiven ? context.dims(2) : [-2];
  const onesided = attrInt(node, "onesided", 0) !== 0;
  const inverse = attrInt(node, "inverse", 0) !== 0;
  if (onesided && inverse) {
    throw fail("ATTRIBUTE_INVALID", "Cannot infer DFT: onesided and inverse exclude each other", { at: { node: node.name } });
  }
  const raw = axisDims?.[0];
  if (typeof raw !== "number") return [typeOf(x.dtype, [...x.shape.slice(0, -1).map(() => UNKNOWN_DIM), 2])];
  const axis = normalAxis(raw, rank, { node });
  const lengthGiven = (node.inputs[1] ?? "") !== "";
  const size = x.shape[axis] ?? UNKNOWN_DIM;
  const full = lengthGiven ? (context.dims(1)?.[0] ?? UNKNOWN_DIM) : size;
  const out: Dim[] = [...x.shape];
  out[axis] = onesided ? half(full) : full;
  out[rank - 1] = 2;
  return [typeOf(x.dtype, out)];
}

function inferStft(context: InferContext): ReturnType<OpRow["infer"]> {
  checkRank(context, 0, { least: 2, most: 3 });
  const { inputs, node } = context;
  const signal = inputs[0];
  const window = inputs[2]?.shape?.[0];
  const length = (node.inputs[3] ?? "") !== "" ? (context.dims(3)?.[0] ?? UNKNOWN_DIM) : (window ?? UNKNOWN_DIM);
  const step = context.dims(1)?.[0] ?? UNKNOWN_DIM;
  const samples = signal?.shape?.[1] ?? UNKNOWN_DIM;
  const frames = typeof length === "number" ? dimAdd(dimFloorDiv(dimAdd(samples, -length), step), 1) : UNKNOWN_DIM;
  const bins = attrInt(node, "onesided", 1) !== 0 ? half(length) : length;
  return [typeOf(signal?.dtype, [signal?.shape?.[0] ?? UNKNOWN_DIM, frames, bins, 2])];
}

/** Fourier transforms, windows and mel filters. */
export const SIGNAL = {
  BlackmanWindow: windowRow(),
  DFT: {
    since: 20,
    inputs: params("input", "dft_length?", "axis?"),
    outputs: params("output"),
    attributes: { inverse: { kind: "int", fallback: 0 }, onesided: { kind: "int", fallback: 0 } },
    infer: inferDft,
    cost: opsPerInput(40),
  },
  HammingWindow: windowRow(),
  HannWindow: windowRow(),
  MelWeightMatrix: {
    since: 17,
    inputs: params("num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz"),
    outputs: params("output"),
    attributes: { output_datatype: { kind: "int", fallback: 1 } },
    infer: (context) => {
      const bins = context.dims(0)?.[0] ?? UNKNOWN_DIM;
      return [
        typeOf(dtypeFromOnnx(attrInt(context.node, "output_datatype", 1)), [half(context.dims(1)?.[0] ?? UNKNOWN_DIM), bins]),
      ];
    },
    cost: opsPerOutput(2),
  },
  STFT: {
    since: 17,
    inputs: params("signal", "frame_step", "window?", "frame_length?"),
    outputs: params("output"),
    attributes: { onesided: { kind: "int", fallback: 1 } },
    infer: inferStft,
    cost: opsPerOutput(40),
  },
} as const satisfies Record<string, OpRow>;
