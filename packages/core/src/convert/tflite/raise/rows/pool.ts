import { attributes, float } from "../../../../graph/node.ts";
import { activated, optionsOf, type RaiseRow, requireRank, type Site, toChannelsFirst, toChannelsLast } from "../site.ts";
import { padsOf } from "../window.ts";

/** A pool over x, which is in the file's layout. */
function pool(site: Site, x: string, op: "AveragePool" | "MaxPool"): string {
  const options = optionsOf(site, "Pool2DOptions");
  const [, height, width] = requireRank(site, 0, 4) as readonly [number, number, number, number];
  const kernel = [options.filterHeight ?? 0, options.filterWidth ?? 0] as const;
  const strides = [options.strideH ?? 0, options.strideW ?? 0] as const;
  const pads = padsOf(site, options.padding, [
    { size: height, kernel: kernel[0], stride: strides[0], dilation: 1 },
    { size: width, kernel: kernel[1], stride: strides[1], dilation: 1 },
  ]);
  // Elements outside count neither in the sum nor in the number, which is ONNX's default.
  const y = site.builder.emit(op, [toChannelsFirst(site, x)], { attributes: { kernel_shape: kernel, strides, pads } });
  return toChannelsLast(site, y);
}

const fused = (site: Site): number | undefined => optionsOf(site, "Pool2DOptions").fusedActivationFunction;

/** sqrt(mean(x^2)) over the window. */
const l2Pool: RaiseRow = (site) => {
  const { builder } = site;
  const x = site.value(0);
  const mean = pool(site, builder.emit("Mul", [x, x]), "AveragePool");
  return [activated(site, builder.emit("Sqrt", [mean]), fused(site))];
};

/** LOCAL_RESPONSE_NORMALIZATION: TensorFlow multiplies the sum by alpha, ONNX the mean. */
const localResponse: RaiseRow = (site) => {
  const { radius = 0, bias = 0, alpha = 0, beta = 0 } = optionsOf(site, "LocalResponseNormalizationOptions");
  requireRank(site, 0, 4);
  if (radius < 0) throw site.refuse(`its radius is ${radius}`);
  const size = 2 * radius + 1;
  const y = site.builder.emit("LRN", [toChannelsFirst(site, site.value(0))], {
    attributes: attributes({ size, bias: float(bias), alpha: float(alpha * size), beta: float(beta) }),
  });
  return [toChannelsLast(site, y)];
};

/** Pools and their like. */
export const POOL_ROWS = {
  AVERAGE_POOL_2D: (site) => [activated(site, pool(site, site.value(0), "AveragePool"), fused(site))],
  MAX_POOL_2D: (site) => [activated(site, pool(site, site.value(0), "MaxPool"), fused(site))],
  L2_POOL_2D: l2Pool,
  LOCAL_RESPONSE_NORMALIZATION: localResponse,
} as const satisfies Record<string, RaiseRow>;
