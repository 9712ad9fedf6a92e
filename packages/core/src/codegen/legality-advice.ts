/** What helps where an operator has no integer kernel, or an expensive one, on a microcontroller: by ONNX operator, a sentence for the network's author. */
const ADVICE: Readonly<Record<string, string>> = {
  PRelu: "Train with Relu or Relu6, which are bounds of the convolution before them and cost nothing",
  LpNormalization:
    "Leave the norm to the application: the int8 embedding has one scale, and a cosine is one integer dot product and two norms",
  ReduceL2: "Leave the norm to the application: a cosine is one integer dot product and two norms",
  HardSigmoid: "Use Sigmoid, or HardSwish as one operator: functions of one byte are a table of 256 bytes",
  Gelu: "Train with Relu6 or HardSwish: functions of one byte are a table of 256 bytes",
  Erf: "Train with Relu6 or HardSwish in place of GELU",
  Elu: "Train with Relu6 or HardSwish",
  Mish: "Train with HardSwish",
  Softplus: "Train with Relu or HardSwish",
  Exp: "Leave it to the application, or use Softmax or Sigmoid as one operator",
  Log: "Leave it to the application",
  Pow: "Multiply the value by itself",
  Sqrt: "Leave it to the application",
  Reciprocal: "Multiply by a constant, or leave the division to the application",
  Div: "Multiply by the reciprocal of a constant divisor, or leave the division to the application",
  LayerNormalization: "Train with BatchNormalization, which vanishes into the convolution before it",
  InstanceNormalization: "Train with BatchNormalization, which vanishes into the convolution before it",
  GroupNormalization: "Train with BatchNormalization, which vanishes into the convolution before it",
  BatchNormalization: "Let `tessera simplify` fold it into a neighbouring convolution before quantizing",
  LSTM: "Take an int8 .tflite whose LSTM was quantized where it was trained: integers need scales of its inner states",
  GRU: "Use an LSTM that was quantized where it was trained, or convolutions over time",
  RNN: "Use an LSTM that was quantized where it was trained, or convolutions over time",
  Tile: "Use Concat of the value with itself, or broadcasting in Add and Mul",
  TopK: "End the network before it: the application picks from the int8 values",
  ArgMax: "End the network before it: the application picks from the int8 values",
  NonMaxSuppression: "End the network before it: the application picks from the int8 values",
  If: "Let `tessera simplify` resolve conditions that are constant",
  Loop: "Export the network unrolled: the C has fixed loops only",
  Scan: "Export the network unrolled: the C has fixed loops only",
  Cast: "Keep values in one type between input and output",
};

/** The advice for an operator; a general one where there is none of its own. */
export function adviceFor(op: string): string {
  return Object.hasOwn(ADVICE, op)
    ? (ADVICE[op] as string)
    : "Replace it by operators with integer kernels (docs/targets.md), or end the network before it";
}
