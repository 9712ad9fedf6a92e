import { WEIGHTS_FORMATS } from "../../../../formats/tflite/enums.ts";
import { countOf } from "../../../../graph/tensor.ts";
import { bias } from "../bias.ts";
import { activated, optionsOf, parameter, type RaiseRow, type Site, shapeOf } from "../site.ts";

/**
 * FULLY_CONNECTED: weights [outputs, inputs], the input seen as rows of `inputs` elements. A row of outputs takes the place of each, under the shape
 * of the input when the file keeps its dimensions.
 */
const fullyConnected: RaiseRow = (site) => {
  const { builder } = site;
  const options = optionsOf(site, "FullyConnectedOptions");
  if ((options.weightsFormat ?? 0) !== WEIGHTS_FORMATS.DEFAULT)
    throw site.refuse("its weights are shuffled for one kind of processor");
  const shape = shapeOf(site, 0);
  const weights = shapeOf(site, 1);
  const [outputs, inputs] = weights as readonly [number, number];
  if (weights.length !== 2 || inputs === 0 || countOf(shape) % inputs !== 0)
    throw site.refuse(`its weights are [${weights}] for an input of [${shape}]`);
  const rows = countOf(shape) / inputs;
  const isFlat = shape.length === 2 && shape[1] === inputs;
  const x = isFlat ? site.value(0) : builder.emit("Reshape", [site.value(0), builder.list([rows, inputs])]);
  const w = parameter(site, 1, { perm: [0, 1], axis: 0 });
  const b = bias(site, 2);
  const y = builder.emit("Gemm", b === undefined ? [x, w] : [x, w, b], { attributes: { transB: 1 } });
  // A file that keeps dimensions gets them back behind the product.
  const kept = options.keepNumDims === true && shape.length !== 2 && shape.at(-1) === inputs;
  const whole = kept ? builder.emit("Reshape", [y, builder.list([...shape.slice(0, -1), outputs])]) : y;
  return [activated(site, whole, options.fusedActivationFunction)];
};

function swapped(site: Site, i: number, swap: boolean | undefined): string {
  const rank = shapeOf(site, i).length;
  if (swap !== true) return site.value(i);
  const perm = Array.from({ length: rank }, (_, axis) => (axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis));
  return parameter(site, i, { perm, axis: perm.indexOf(site.source(i).encoding?.axis ?? 0) });
}

const batchMatmul: RaiseRow = (site) => {
  const { adjX, adjY } = optionsOf(site, "BatchMatMulOptions");
  if (shapeOf(site, 0).length < 2 || shapeOf(site, 1).length < 2) throw site.refuse("one of its inputs is no matrix");
  return [site.builder.emit("MatMul", [swapped(site, 0, adjX), swapped(site, 1, adjY)])];
};

/** Products of matrices. */
export const MATMUL_ROWS = { FULLY_CONNECTED: fullyConnected, BATCH_MATMUL: batchMatmul } as const satisfies Record<
  string,
  RaiseRow
>;
