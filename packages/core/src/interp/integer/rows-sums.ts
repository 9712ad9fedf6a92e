import { attrFloat, attrInt } from "../../graph/node.ts";
import { type Tensor, view } from "../../graph/tensor.ts";
import type { ConvStep, FullyConnectedStep, IntegerStep } from "./program.ts";
import { type CompileRow, clampOf, constantOf, gridOf, quantizedConstant, rescaleBy, type Site, shapeOf } from "./site.ts";
import { spatial, window } from "./window.ts";

/** Weights in integers; `undefined` for types that the kernels do not take. */
function weightsOf(tensor: Tensor): Int8Array | undefined {
  return tensor.dtype === "int8" ? view(tensor, "int8") : undefined;
}

/** A bias in integers: what the plan says, or, without an encoding, none when there is no constant. */
function biasOf(site: Site, name: string | undefined): { readonly values: Int32Array | BigInt64Array | undefined } | undefined {
  if (name === undefined || name === "") return { values: undefined };
  const quantized = quantizedConstant(site.at, name);
  if (quantized?.tensor.dtype === "int32") return { values: view(quantized.tensor, "int32") };
  if (quantized?.tensor.dtype === "int64") return { values: view(quantized.tensor, "int64") };
  return undefined;
}

/** Ratios input scale * weight scale / output scale, one for each weight scale, in doubles from float32 scales. */
function ratiosOf(site: Site, input: number, weights: readonly number[], output: number): readonly number[] {
  // XNNPACK and ONNX Runtime work in float32 all the way, and 16-bit kernels of LiteRT take this over.
  if (site.at.profile.rules.conv === "float")
    return weights.map((w) => Math.fround(Math.fround(input * Math.fround(w)) / output));
  return weights.map((w) => (input * Math.fround(w)) / output);
}

const conv: CompileRow = (site) => {
  const { at, node, output } = site;
  const [inputName, weightName, biasName] = node.inputs as [string, string, string | undefined];
  const input = gridOf(at, inputName);
  const out = gridOf(at, output);
  const weight = quantizedConstant(at, weightName);
  const bias = biasOf(site, biasName);
  if (input === undefined || out === undefined || weight === undefined || bias === undefined) return undefined;
  const weights = weightsOf(weight.tensor);
  if (weights === undefined || weight.encoding.zeroPoint.some((z) => z !== 0) || (weight.encoding.axis ?? 0) !== 0)
    return undefined;
  const shape = spatial(shapeOf(at, inputName));
  const outShape = spatial(shapeOf(at, output));
  const kernelShape = spatial(weight.tensor.shape);
  if (shape === undefined || outShape === undefined || kernelShape === undefined) return undefined;
  const group = attrInt(node, "group", 1);
  const depthwise = group > 1 && group === shape[1];
  const kind = depthwise ? "depthwise" : "conv";
  const wide = bias.values instanceof BigInt64Array || (input.dtype === "int16" && bias.values === undefined);
  const rescale = rescaleBy(at, kind, ratiosOf(site, input.scale, weight.encoding.scale, out.scale), wide ? "wide" : "any");
  if (rescale === undefined) return undefined;
  const step: ConvStep = {
    kind,
    node: node.name,
    inputs: [inputName],
    output,
    ...window(node, { shape, outShape, kernel: [kernelShape[2], kernelShape[3]] }),
    group,
    weights,
    bias: bias.values,
    inputZero: input.zeroPoint,
    outputZero: out.zeroPoint,
    rescale,
    clamp: clampOf(out, site.bounds),
  };
  return [step];
};

/** What Gemm and MatMul have in common: x [rows, depth] and a constant weight, [outputs, depth] when `transposed`. */
function fullyConnected(
  site: Site,
  names: { readonly weight: string; readonly bias: string | undefined; readonly transposed: boolean },
): readonly IntegerStep[] | undefined {
  const { at, node, output } = site;
  const inputName = node.inputs[0] as string;
  const input = gridOf(at, inputName);
  const out = gridOf(at, output);
  const weight = quantizedConstant(at, names.weight);
  const bias = biasOf(site, names.bias);
  if (input === undefined || out === undefined || weight === undefined || bias === undefined) return undefined;
  const stored = weightsOf(weight.tensor);
  const [first, second] = weight.tensor.shape as [number, number];
  const [outputs, depth] = names.transposed ? [first, second] : [second, first];
  const { encoding } = weight;
  const perChannel = encoding.scale.length > 1;
  if (stored === undefined || weight.tensor.shape.length !== 2 || (bias.values !== undefined && bias.values.length !== outputs))
    return undefined;
  if (perChannel && (encoding.axis !== (names.transposed ? 0 : 1) || encoding.zeroPoint.some((z) => z !== 0))) return undefined;
  const wide = bias.values instanceof BigInt64Array || (input.dtype === "int16" && bias.values === undefined);
  const ratios = ratiosOf(site, input.scale, encoding.scale, out.scale);
  const rescale = rescaleBy(at, "fullyConnected", ratios, wide && at.profile.rules.fullyConnected !== "float" ? "wide" : "any");
  if (rescale === undefined) return undefined;
  const step: FullyConnectedStep = {
    kind: "fullyConnected",
    node: node.name,
    inputs: [inputName],
    output,
    rows: shapeOf(at, inputName).reduce((a, b) => a * b, 1) / depth,
    depth,
    outputs,
    weights: names.transposed ? stored : transposed(stored, first, second),
    weightsZero: perChannel ? 0 : (encoding.zeroPoint[0] ?? 0),
    bias: bias.values,
    inputZero: input.zeroPoint,
    outputZero: out.zeroPoint,
    rescale,
    clamp: clampOf(out, site.bounds),
  };
  return [step];
}

function transposed(data: Int8Array, rows: number, columns: number): Int8Array {
  const out = data.slice();
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c] as number;
  return out;
}

const gemm: CompileRow = (site) => {
  const { node } = site;
  const plain = attrFloat(node, "alpha", 1) === 1 && attrFloat(node, "beta", 1) === 1 && attrInt(node, "transA", 0) === 0;
  if (!plain) return undefined;
  return fullyConnected(site, {
    weight: node.inputs[1] as string,
    bias: node.inputs[2],
    transposed: attrInt(node, "transB", 0) !== 0,
  });
};

const matMul: CompileRow = (site) => {
  const weight = site.node.inputs[1] as string;
  if (constantOf(site.at, weight) === undefined) return undefined;
  return fullyConnected(site, { weight, bias: site.bias, transposed: false });
};

/** Operators whose outputs are sums of products. */
export const SUM_ROWS = { Conv: conv, Gemm: gemm, MatMul: matMul } as const satisfies Record<string, CompileRow>;
