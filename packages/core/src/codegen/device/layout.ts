/** A run of indices of one axis: `size` of them, `stride` elements apart in memory. */
export interface Factor {
  readonly size: number;
  readonly stride: number;
}

/**
 * Where the elements of a model's value lie in dense memory: for each axis of the model its factors, outermost first. An axis has several when a
 * reshape joined axes that lie in another order, so that reshapes and transposes need no work until somebody wants an order. Sizes of 1 have no factor.
 */
export type Layout = readonly (readonly Factor[])[];

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

/** Row-major strides of sizes. */
export function stridesOf(sizes: readonly number[]): number[] {
  const strides = new Array<number>(sizes.length);
  for (let d = sizes.length - 1, stride = 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= sizes[d] as number;
  }
  return strides;
}

/** The axes of a rank in their own order. */
export function naturalOrder(rank: number): number[] {
  return Array.from({ length: rank }, (_, i) => i);
}

/** The dense layout of a shape whose axes lie in `order`, outermost first. */
export function plainLayout(shape: readonly number[], order: readonly number[]): Layout {
  const strides = stridesOf(order.map((axis) => shape[axis] as number));
  const layout: Factor[][] = shape.map(() => []);
  order.forEach((axis, at) => {
    const size = shape[axis] as number;
    if (size !== 1) layout[axis] = [{ size, stride: strides[at] as number }];
  });
  return layout;
}

/** Factors with neighbours that go on without a gap made one. */
export function joinFactors(factors: readonly Factor[]): Factor[] {
  const out: Factor[] = [];
  for (const factor of factors) {
    if (factor.size === 1) continue;
    const last = out.at(-1);
    if (last !== undefined && last.stride === factor.size * factor.stride)
      out[out.length - 1] = { size: last.size * factor.size, stride: factor.stride };
    else out.push(factor);
  }
  return out;
}

/**
 * The order of axes, outermost first, when each axis is one run; `undefined` otherwise. An axis of 1 stands where it would by `like`, an order that
 * the caller would like to see.
 */
export function orderOf(layout: Layout, like: readonly number[] = naturalOrder(layout.length)): number[] | undefined {
  const runs = layout.map((factors) => joinFactors(factors));
  if (runs.some((run) => run.length > 1)) return undefined;
  const real = naturalOrder(layout.length).filter((axis) => (runs[axis] as Factor[]).length === 1);
  real.sort((a, b) => (runs[b]?.[0]?.stride as number) - (runs[a]?.[0]?.stride as number));
  let next = 0;
  // Axes of 1 keep their places in `like`; the others fill the rest in the order in which they lie.
  return like.map((axis) => ((runs[axis] as Factor[]).length === 0 ? axis : (real[next++] as number)));
}

/** Whether two layouts put every element at the same place. */
export function sameLayout(a: Layout, b: Layout): boolean {
  const text = (layout: Layout): string => JSON.stringify(layout.map((factors) => joinFactors(factors)));
  return text(a) === text(b);
}

/** The layout of the same memory under another shape; `undefined` where a size would have to be split that does not divide. */
export function regroup(layout: Layout, shape: readonly number[]): Layout | undefined {
  const rest = joinFactors(layout.flat());
  const out: Factor[][] = shape.map(() => []);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    let wanted = shape[axis] as number;
    const factors: Factor[] = [];
    while (wanted > 1) {
      const last = rest.pop();
      if (last === undefined) return undefined;
      if (wanted % last.size === 0) {
        factors.unshift(last);
        wanted /= last.size;
      } else if (last.size % wanted === 0) {
        factors.unshift({ size: wanted, stride: last.stride });
        rest.push({ size: last.size / wanted, stride: last.stride * wanted });
        wanted = 1;
      } else return undefined;
    }
    out[axis] = factors;
  }
  return out;
}

/** Runs that several operands walk together: a size, and how far each moves. */
export interface CommonRun {
  readonly size: number;
  readonly strides: readonly number[];
}

/** The coarsest runs that all lists of factors of one size have in common; `undefined` where sizes do not divide. An empty list stands still. */
export function refine(lists: readonly (readonly Factor[])[]): CommonRun[] | undefined {
  const rests = lists.map((list) => [...list]);
  const out: CommonRun[] = [];
  for (;;) {
    const lasts = rests.map((rest) => rest.at(-1));
    const sizes = lasts.flatMap((last) => (last === undefined ? [] : [last.size]));
    if (sizes.length === 0) return out;
    const size = Math.min(...sizes);
    const strides: number[] = [];
    for (const [i, last] of lasts.entries()) {
      if (last === undefined) {
        if ((lists[i] as readonly Factor[]).length > 0) return undefined;
        strides.push(0);
        continue;
      }
      if (last.size % size !== 0) return undefined;
      strides.push(last.stride);
      const rest = rests[i] as Factor[];
      rest.pop();
      if (last.size > size) rest.push({ size: last.size / size, stride: last.stride * size });
    }
    out.unshift({ size, strides });
  }
}

/** Neighbouring runs that go on without a gap for every operand made one. */
export function joinRuns(runs: readonly CommonRun[]): CommonRun[] {
  const out: CommonRun[] = [];
  for (const run of runs) {
    if (run.size === 1) continue;
    const last = out.at(-1);
    if (last?.strides.every((stride, i) => stride === run.size * (run.strides[i] as number)))
      out[out.length - 1] = { size: last.size * run.size, strides: run.strides };
    else out.push(run);
  }
  return out;
}

/** All factors with their axes in the order in which they lie, outermost first. */
export function storageRuns(layout: Layout): { readonly axis: number; readonly factor: Factor }[] {
  return layout
    .flatMap((factors, axis) => factors.map((factor) => ({ axis, factor })))
    .sort((a, b) => b.factor.stride - a.factor.stride);
}

/** The place in memory of each element, in the order of the model. */
export function placesOf(layout: Layout): Int32Array {
  let places = Int32Array.of(0);
  for (const { size, stride } of layout.flat()) {
    const next = new Int32Array(places.length * size);
    for (let i = 0, at = 0; i < places.length; i++)
      for (let k = 0; k < size; k++, at++) next[at] = (places[i] as number) + k * stride;
    places = next;
  }
  return places;
}
