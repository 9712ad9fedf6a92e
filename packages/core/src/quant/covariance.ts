import { fail } from "../base/error.ts";
import type { Model } from "../graph/model.ts";
import { countOf, type Tensor, view } from "../graph/tensor.ts";
import { type Slide, tapAt } from "../interp/slide.ts";
import { type CovariancePlace, slideOf } from "./covariance-place.ts";
import { eachSample, exposeValues, nonFinite, type ObserveOptions, type Samples } from "./observe.ts";

/** Mean products of the inputs that meet one filter's weights in a dot product. Not centred: a constant input counts. */
export interface InputCovariance {
  readonly groups: number;
  readonly size: number;
  /** Dot products that were looked at, in each group. */
  readonly count: number;
  /** f64[groups, size, size]: mean of x xᵀ. */
  readonly products: Float64Array;
  /** f64[groups, size]: mean of x. */
  readonly means: Float64Array;
}

/** Options of {@link observeCovariances}. */
export interface CovarianceOptions extends ObserveOptions {
  /** Dot products looked at in each sample, evenly spread over the positions of the kernel, at others in each sample. */
  readonly positions?: number;
}

/** Defaults of {@link CovarianceOptions}. */
export const COVARIANCE_DEFAULTS = { positions: 48 } as const;

/**
 * Most inputs of a dot product whose products are collected; with f64[n, n] for each group this bounds the memory to 8 MB a layer without groups.
 * Wider layers keep the nearest rounding.
 */
export const COVARIANCE_LARGEST = 1024;

/**
 * Collects mean products of layers' inputs over samples, for second-order rounding. Streams: what is kept is f64[groups, size, size] a layer,
 * whatever the number of samples. A k x k Conv is looked at as the matrix product of its windows (im2col), zeros of the padding included.
 *
 * @returns by node
 * @throws CALIBRATION_EMPTY without samples, CALIBRATION_NONFINITE naming the tensor, SHAPE_MISMATCH for a value that does not fit the weights
 */
export async function observeCovariances(
  model: Model,
  places: readonly CovariancePlace[],
  samples: Samples,
  options: CovarianceOptions,
): Promise<ReadonlyMap<string, InputCovariance>> {
  const { positions } = { ...COVARIANCE_DEFAULTS, ...options };
  const sums = new Map(places.map((place) => [place.node, new Gathering(place, positions)] as const));
  const byInput = new Map<string, Gathering[]>();
  for (const place of places) byInput.set(place.input, [...(byInput.get(place.input) ?? []), sums.get(place.node) as Gathering]);
  const names = [...byInput.keys()];
  const visit = (name: string, value: Tensor): void => {
    for (const sum of byInput.get(name) as readonly Gathering[]) sum.add(value);
  };
  await eachSample(exposeValues(model, names), names, samples, { ...options, visit });
  return new Map([...sums].map(([node, sum]) => [node, sum.finish()]));
}

/** Fractional part of the golden ratio: its multiples fall evenly into [0, 1), so that samples look at positions in between those of others. */
const GOLDEN = 0.6180339887498949;

/** Sums for one layer, and what they need from sample to sample. */
class Gathering {
  private readonly place: CovariancePlace;
  private readonly most: number;
  private readonly products: Float64Array;
  private readonly means: Float64Array;
  private count = 0;
  private values = 0;
  private table: { readonly key: string; readonly slide: Slide } | undefined;

  constructor(place: CovariancePlace, most: number) {
    this.place = place;
    this.most = most;
    this.products = new Float64Array(place.groups * place.size * place.size);
    this.means = new Float64Array(place.groups * place.size);
  }

  add(value: Tensor): void {
    const { conv } = this.place;
    const batch = conv === undefined ? 1 : (value.shape[0] as number);
    for (let n = 0; n < batch; n++) {
      if (conv === undefined) this.addRows(value);
      else this.addWindows(value, n);
      this.values++;
    }
  }

  finish(): InputCovariance {
    const { groups, size } = this.place;
    const { products, means, count } = this;
    for (let g = 0; g < groups; g++) {
      for (let i = 0; i < size; i++) {
        for (let j = i; j < size; j++) {
          const at = (g * size + i) * size + j;
          const mean = (products[at] as number) / count;
          products[at] = mean;
          products[(g * size + j) * size + i] = mean;
        }
      }
    }
    for (let i = 0; i < means.length; i++) means[i] = (means[i] as number) / count;
    return { groups, size, count, products, means };
  }

  /** Which of `total` dot products this value's turn is to look at. */
  private chosen(total: number): Int32Array {
    const count = Math.min(total, this.most);
    const phase = (this.values * GOLDEN) % 1;
    return Int32Array.from({ length: count }, (_, k) => Math.floor(((k + phase) * total) / count));
  }

  private addRows(value: Tensor): void {
    const { size, node } = this.place;
    if (value.shape.at(-1) !== size)
      throw fail("SHAPE_MISMATCH", `Cannot look at the input of ${node}: shape [${value.shape}] does not end in ${size}`);
    const data = view(value, "float32");
    const rows = this.chosen(countOf(value.shape.slice(0, -1)));
    const x = new Float64Array(rows.length * size);
    rows.forEach((row, k) => {
      for (let i = 0; i < size; i++) x[k * size + i] = data[row * size + i] as number;
    });
    this.accumulate(x, 0);
    this.count += rows.length;
  }

  private addWindows(value: Tensor, n: number): void {
    const { size, groups, node, conv } = this.place;
    const kernel = (conv as NonNullable<CovariancePlace["conv"]>).kernel;
    const taps = countOf(kernel);
    const perGroup = size / taps;
    const spatial = value.shape.slice(2);
    if (value.shape[1] !== perGroup * groups || spatial.length !== kernel.length)
      throw fail("SHAPE_MISMATCH", `Cannot look at the input of ${node}: shape [${value.shape}] does not fit its weights`);
    const slide = this.slideFor(spatial);
    const data = view(value, "float32");
    const cells = countOf(spatial);
    const positions = this.chosen(slide.positions);
    // Where each tap of each position lies, the same for all channels; -1 in the padding.
    const at = new Int32Array(positions.length * taps);
    positions.forEach((position, k) => {
      for (let t = 0; t < taps; t++) at[k * taps + t] = tapAt(slide, position, t);
    });
    const x = new Float64Array(positions.length * size);
    for (let g = 0; g < groups; g++) {
      for (let c = 0; c < perGroup; c++) {
        const channel = ((n * groups + g) * perGroup + c) * cells;
        for (let k = 0; k < positions.length; k++) {
          for (let t = 0; t < taps; t++) {
            const cell = at[k * taps + t] as number;
            x[k * size + c * taps + t] = cell < 0 ? 0 : (data[channel + cell] as number);
          }
        }
      }
      this.accumulate(x, g);
    }
    this.count += positions.length;
  }

  private slideFor(spatial: readonly number[]): Slide {
    const key = spatial.join();
    if (this.table?.key !== key)
      this.table = { key, slide: slideOf(this.place.conv as NonNullable<CovariancePlace["conv"]>, spatial) };
    return this.table.slide;
  }

  private accumulate(x: Float64Array, group: number): void {
    const { size, node } = this.place;
    if (!addProducts(x, size, { products: this.products, means: this.means, group })) throw nonFinite(`the input of ${node}`);
  }
}

/**
 * Adds x xᵀ for rows of `size` values, the upper triangle alone, and the rows themselves; four rows at a time, because what takes time is going through the
 * sums. Says whether all values were finite.
 */
function addProducts(
  x: Float64Array,
  size: number,
  { products, means, group }: { readonly products: Float64Array; readonly means: Float64Array; readonly group: number },
): boolean {
  const rows = x.length / size;
  let total = 0;
  for (let k = 0; k < rows; k += 4) {
    const [p, q, r, s] = [k, k + 1, k + 2, k + 3].map((row) => Math.min(row, rows - 1) * size) as [
      number,
      number,
      number,
      number,
    ];
    // Rows past the end count for nothing.
    const [isQ, isR, isS] = [Number(k + 1 < rows), Number(k + 2 < rows), Number(k + 3 < rows)];
    for (let i = 0; i < size; i++) {
      const a = x[p + i] as number;
      const b = isQ * (x[q + i] as number);
      const c = isR * (x[r + i] as number);
      const d = isS * (x[s + i] as number);
      // Behind a Relu about half of the values.
      if (a === 0 && b === 0 && c === 0 && d === 0) continue;
      const sum = a + b + c + d;
      total += sum;
      means[group * size + i] = (means[group * size + i] as number) + sum;
      const row = (group * size + i) * size;
      for (let j = i; j < size; j++)
        products[row + j] =
          (products[row + j] as number) +
          (a * (x[p + j] as number) + b * (x[q + j] as number) + c * (x[r + j] as number) + d * (x[s + j] as number));
    }
  }
  return Number.isFinite(total);
}
