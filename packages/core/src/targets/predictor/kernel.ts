import type { TensorType } from "../../graph/model.ts";

/** Kinds of kernels that cost differently: a multiplication in a 3x3 window is not one in a 1x1 window. */
export const KERNEL_KINDS = [
  "conv1x1",
  "conv1d",
  "conv",
  "depthwise",
  "grouped",
  "transposed",
  "dense",
  "recurrent",
  "elementwise",
  "prelu",
  "curve",
  "softmax",
  "pool",
  "average",
  "reduce",
  "move",
  "transpose",
  "view",
  "quantize",
  "dequantize",
  "other",
] as const;

/** One of {@link KERNEL_KINDS}. */
export type KernelKind = (typeof KERNEL_KINDS)[number];

/** What a kernel computes in; "slow": integers in a reference kernel. */
export type KernelNumbers = "float32" | "int8" | "slow";

/** One kernel that the runtime is expected to run. */
export interface Kernel {
  /** The node of the model that it stands for, or the value at which a conversion stands. */
  readonly node: string;
  /** The model's operator; QuantizeLinear and DequantizeLinear at borders. */
  readonly op: string;
  /** As the runtime calls it, e.g. QLinearConv; that of the model where it computes in float. */
  readonly name: string;
  readonly kind: KernelKind;
  readonly numbers: KernelNumbers;
  /** Multiply-accumulates of the mathematics. */
  readonly macs: number;
  /** Elements read (without constants) and written. */
  readonly reads: number;
  readonly writes: number;
  /** Input channels of one group and output channels, for kernels that work on blocks of channels; of other kernels 0 and those of what they make. */
  readonly channels: readonly [number, number];
  readonly weightBytes: number;
  /** Values, without constants. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Why it is slow, or in float while others are not. */
  readonly why?: string;
}

/** A kernel that moves integers, or turns them into floats or back, value by value. */
export function movingKernel(
  what: Pick<Kernel, "node" | "op" | "name" | "kind" | "inputs" | "outputs">,
  elements: number,
): Kernel {
  return { ...what, numbers: "int8", macs: 0, reads: elements, writes: elements, channels: [0, 0], weightBytes: 0 };
}

const KINDS: Readonly<Record<string, KernelKind>> = {
  ConvTranspose: "transposed",
  Gemm: "dense",
  MatMul: "dense",
  LSTM: "recurrent",
  GRU: "recurrent",
  RNN: "recurrent",
  PRelu: "prelu",
  MaxPool: "pool",
  AveragePool: "average",
  GlobalAveragePool: "reduce",
  GlobalMaxPool: "reduce",
  ReduceMean: "reduce",
  ReduceSum: "reduce",
  ReduceMax: "reduce",
  ReduceL2: "reduce",
  Transpose: "transpose",
  Concat: "move",
  Slice: "move",
  Split: "move",
  Pad: "move",
  Gather: "move",
  Tile: "move",
  Expand: "move",
  Resize: "move",
  DepthToSpace: "move",
  SpaceToDepth: "move",
  Reshape: "view",
  Flatten: "view",
  Squeeze: "view",
  Unsqueeze: "view",
  Identity: "view",
  Dropout: "view",
  Shape: "view",
  Cast: "elementwise",
  Sigmoid: "curve",
  Tanh: "curve",
  HardSigmoid: "elementwise",
  HardSwish: "elementwise",
  Softmax: "softmax",
  Exp: "curve",
  Log: "curve",
  Pow: "curve",
  Erf: "curve",
  Gelu: "curve",
  Softplus: "curve",
  Elu: "curve",
  QuantizeLinear: "quantize",
  DequantizeLinear: "dequantize",
  If: "other",
  Loop: "other",
  Scan: "other",
};

/** What kind of kernel an operator has; `weight` and `group` are those of a convolution. */
export function kindOf(op: string, weight: TensorType | undefined, group: number): KernelKind {
  if (op === "Conv") return convolutionKind(weight, group);
  return Object.hasOwn(KINDS, op) ? (KINDS[op] as KernelKind) : "elementwise";
}

function convolutionKind(weight: TensorType | undefined, group: number): KernelKind {
  const [, perGroup, ...window] = weight?.shape ?? [];
  if (window.length === 1) return "conv1d";
  if (group > 1) return perGroup === 1 ? "depthwise" : "grouped";
  return window.every((size) => size === 1) ? "conv1x1" : "conv";
}
