import { isFloat } from "../../../../graph/dtype.ts";
import { fromNumbers, i64, toNumbers } from "../../../../graph/tensor.ts";
import { frontAxis, intsOf, knownInts, optionsOf, type RaiseRow, shapeOf } from "../site.ts";
import { asInt64 } from "./movement.ts";

/** GATHER along an axis; with batch axes in front, which ONNX knows of GatherND only. */
const gather: RaiseRow = (site) => {
  const { builder } = site;
  const { axis = 0, batchDims = 0 } = optionsOf(site, "GatherOptions");
  const rank = shapeOf(site, 0).length;
  const front = frontAxis(site, axis, rank);
  const indices = shapeOf(site, 1);
  const batches = batchDims < 0 ? batchDims + indices.length : batchDims;
  if (batches === 0) return [builder.emit("Gather", [site.value(0), site.value(1)], { attributes: { axis: front } })];
  if (batches !== front || batches > indices.length)
    throw site.refuse(`it gathers along axis ${axis} with ${batchDims} batch axes`);
  const points = builder.emit("Unsqueeze", [asInt64(site, site.value(1)), builder.list([indices.length])]);
  return [builder.emit("GatherND", [site.value(0), points], { attributes: { batch_dims: batches } })];
};

/** ONE_HOT: indices, depth, on, off. ONNX counts negative indices from the end, where TensorFlow gives a row without a one. */
const oneHot: RaiseRow = (site) => {
  const { builder } = site;
  const { axis = -1 } = optionsOf(site, "OneHotOptions");
  const { dtype } = site.target(0);
  const [depth = 0] = intsOf(site, 1, "its depth");
  const [on, off] = [2, 3].map((i) => builder.known(site.value(i)));
  if (on === undefined || off === undefined) throw site.refuse("what it writes is computed while it runs");
  const indices = knownInts(site, site.value(0));
  if (indices === undefined || indices.some((index) => index < 0)) {
    // Out of range either way: everything below zero becomes the depth.
    const { dtype: kind } = builder.type(site.value(0));
    const scalar = (value: number): string => builder.constant("scalar", fromNumbers(kind, [], [value]));
    const isBelow = builder.emit("Less", [site.value(0), scalar(0)]);
    const safe = builder.emit("Where", [isBelow, scalar(depth), site.value(0)]);
    return [onHot(safe)];
  }
  return [onHot(site.value(0))];
  function onHot(value: string): string {
    const [low, high] = [toNumber(off), toNumber(on)];
    if (!isFloat(dtype) && !(Number.isInteger(low) && Number.isInteger(high)))
      throw site.refuse(`it writes ${high} and ${low} as ${dtype}`);
    const values = builder.constant("off_on", fromNumbers(dtype, [2], [low, high]));
    return builder.emit("OneHot", [value, builder.constant("depth", i64([], [depth])), values], { attributes: { axis } });
  }
  function toNumber(tensor: typeof on): number {
    return tensor === undefined ? 0 : (toNumbers(tensor)[0] ?? 0);
  }
};

/** SCATTER_ND onto zeros; what falls on one place is added up. */
const scatter: RaiseRow = (site) => {
  const { builder } = site;
  const { dtype } = builder.type(site.value(1));
  const zero = builder.constant("zero", fromNumbers(dtype, [1], [0]));
  const zeros = builder.emit("Expand", [zero, asInt64(site, site.value(2))]);
  return [builder.emit("ScatterND", [zeros, asInt64(site, site.value(0)), site.value(1)], { attributes: { reduction: "add" } })];
};

const reverseSequence: RaiseRow = (site) => {
  const { seqDim = 0, batchDim = 0 } = optionsOf(site, "ReverseSequenceOptions");
  if (seqDim + batchDim !== 1 || seqDim * batchDim !== 0)
    throw site.refuse(`it reverses axis ${seqDim} with batch axis ${batchDim}`);
  return [
    site.builder.emit("ReverseSequence", [site.value(0), asInt64(site, site.value(1))], {
      attributes: { time_axis: seqDim, batch_axis: batchDim },
    }),
  ];
};

/** WHERE with one input: positions of what is true, a row each. */
const where: RaiseRow = (site) => {
  if (site.inputs !== 1) throw site.refuse(`it has ${site.inputs} inputs`);
  return [site.builder.emit("Transpose", [site.builder.emit("NonZero", [site.value(0)])], { attributes: { perm: [1, 0] } })];
};

/** By position. */
export const INDEXING_ROWS = {
  GATHER: gather,
  GATHER_ND: (site) => [site.builder.emit("GatherND", [site.value(0), asInt64(site, site.value(1))])],
  EMBEDDING_LOOKUP: (site) => [site.builder.emit("Gather", [site.value(1), site.value(0)], { attributes: { axis: 0 } })],
  ONE_HOT: oneHot,
  SCATTER_ND: scatter,
  REVERSE_SEQUENCE: reverseSequence,
  WHERE: where,
} as const satisfies Record<string, RaiseRow>;
