import type { ConvStep, FullyConnectedStep } from "./program.ts";
import { centred, type Integers, rescaleRun, type Sums, sumsFor } from "./rescale.ts";

/** Runs a convolution: for each output channel one plane of sums, to which each weight adds its multiple of a shifted input plane. */
export function runConv(step: ConvStep, input: Integers, out: Integers): void {
  const { batch, channels, height, width, outChannels, outHeight, outWidth, group, weights, rescale } = step;
  const x = centred(input, step.inputZero);
  const plane = outHeight * outWidth;
  const sums = sumsFor(rescale.rule === "wide", plane);
  const perGroup = channels / group;
  const outPerGroup = outChannels / group;
  const [kh, kw] = step.kernel;
  const taps = kh * kw;
  const pointwise = taps === 1 && step.strides[0] === 1 && step.strides[1] === 1 && step.pads[0] === 0 && step.pads[1] === 0;
  const fits = pointwise && outHeight === height && outWidth === width;
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outChannels; o++) {
      sums.fill(step.bias === undefined ? 0 : Number(step.bias[o]));
      const first = (n * channels + Math.floor(o / outPerGroup) * perGroup) * height * width;
      const weightAt = o * perGroup * taps;
      if (fits) addPlanes(sums, x, { first, plane, weights, weightAt, count: perGroup });
      else
        for (let c = 0; c < perGroup; c++)
          addWindow(sums, x, step, { from: first + c * height * width, weightAt: weightAt + c * taps });
      const target = { out, at: (n * outChannels + o) * plane, stride: 1 };
      rescaleRun(sums, plane, { rescale, channel: o, outputZero: step.outputZero, clamp: step.clamp, target });
    }
  }
}

/** sums += sum over planes of weight * plane, four planes at a time. */
function addPlanes(
  sums: Sums,
  x: Int32Array,
  at: {
    readonly first: number;
    readonly plane: number;
    readonly weights: Int8Array;
    readonly weightAt: number;
    readonly count: number;
  },
): void {
  const { plane, weights, weightAt, count } = at;
  let c = 0;
  for (; c + 4 <= count; c += 4) {
    const w0 = weights[weightAt + c] as number;
    const w1 = weights[weightAt + c + 1] as number;
    const w2 = weights[weightAt + c + 2] as number;
    const w3 = weights[weightAt + c + 3] as number;
    if (w0 === 0 && w1 === 0 && w2 === 0 && w3 === 0) continue;
    let i = at.first + c * plane;
    for (let p = 0; p < plane; p++, i++) {
      sums[p] =
        (sums[p] as number) +
        w0 * (x[i] as number) +
        w1 * (x[i + plane] as number) +
        w2 * (x[i + 2 * plane] as number) +
        w3 * (x[i + 3 * plane] as number);
    }
  }
  for (; c < count; c++) {
    const w = weights[weightAt + c] as number;
    let i = at.first + c * plane;
    for (let p = 0; p < plane; p++, i++) sums[p] = (sums[p] as number) + w * (x[i] as number);
  }
}

/** sums += the window's weights over one input plane; what lies outside the plane is the zero point and adds nothing. */
function addWindow(sums: Sums, x: Int32Array, step: ConvStep, at: { readonly from: number; readonly weightAt: number }): void {
  const { height, width, outHeight, outWidth, weights } = step;
  const [kh, kw] = step.kernel;
  const [strideY, strideX] = step.strides;
  for (let ky = 0; ky < kh; ky++) {
    const top = ky * step.dilations[0] - step.pads[0];
    const [y0, y1] = inside(top, strideY, height, outHeight);
    for (let kx = 0; kx < kw; kx++) {
      const w = weights[at.weightAt + ky * kw + kx] as number;
      if (w === 0) continue;
      const left = kx * step.dilations[1] - step.pads[1];
      const [x0, x1] = inside(left, strideX, width, outWidth);
      for (let oy = y0; oy < y1; oy++) {
        let i = at.from + (oy * strideY + top) * width + x0 * strideX + left;
        const end = oy * outWidth + x1;
        for (let o = oy * outWidth + x0; o < end; o++, i += strideX) sums[o] = (sums[o] as number) + w * (x[i] as number);
      }
    }
  }
}

/** The output positions, from and to, whose input position `o * stride + offset` lies in [0, size). */
function inside(offset: number, stride: number, size: number, outSize: number): readonly [number, number] {
  const from = offset >= 0 ? 0 : Math.ceil(-offset / stride);
  const to = Math.min(outSize, Math.floor((size - 1 - offset) / stride) + 1);
  return [from, Math.max(from, to)];
}

/** Runs a fully connected layer. */
export function runFullyConnected(step: FullyConnectedStep, input: Integers, out: Integers): void {
  const { rows, depth, outputs, rescale } = step;
  const x = centred(input, step.inputZero);
  const w = step.weightsZero === 0 ? step.weights : centred(step.weights, step.weightsZero);
  const sums = new Float64Array(1);
  for (let o = 0; o < outputs; o++) {
    const bias = step.bias === undefined ? 0 : Number(step.bias[o]);
    for (let r = 0; r < rows; r++) {
      let sum = bias;
      const xAt = r * depth;
      const wAt = o * depth;
      for (let i = 0; i < depth; i++) sum += (w[wAt + i] as number) * (x[xAt + i] as number);
      sums[0] = sum;
      const target = { out, at: r * outputs + o, stride: 1 };
      rescaleRun(sums, 1, { rescale, channel: o, outputZero: step.outputZero, clamp: step.clamp, target });
    }
  }
}
