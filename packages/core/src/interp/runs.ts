/**
 * A walk over an output in row-major order, cut into runs of equal length along which every input moves by a constant step.
 * Run r covers outputs r*length .. r*length + length - 1; input k starts at starts[k][r] and moves by steps[k].
 */
export interface Runs {
  readonly count: number;
  readonly length: number;
  readonly steps: readonly number[];
  readonly starts: readonly Int32Array[];
}

/**
 * Plans the walk over `shape` for inputs with the given strides (elements, one list per input, 0 where broadcast, may be negative) and
 * first offsets. Neighbouring axes are merged where every input allows it, so that dense inputs become one run.
 */
export function planRuns(shape: readonly number[], strides: readonly (readonly number[])[], offsets?: readonly number[]): Runs {
  const sizes: number[] = [];
  const steps: number[][] = strides.map(() => []);
  let empty = false;
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis] as number;
    if (size === 0) empty = true;
    if (size === 1) continue;
    const last = sizes.length - 1;
    // Axis `last` and this one are one longer axis when stepping over this axis entirely equals one step of the former.
    const merge = last >= 0 && strides.every((list, k) => (steps[k] as number[])[last] === (list[axis] as number) * size);
    if (merge) sizes[last] = (sizes[last] as number) * size;
    else sizes.push(size);
    strides.forEach((list, k) => {
      const own = steps[k] as number[];
      own[merge ? last : own.length] = list[axis] as number;
    });
  }
  const length = sizes.length === 0 ? 1 : (sizes[sizes.length - 1] as number);
  let count = empty ? 0 : 1;
  for (let axis = 0; axis + 1 < sizes.length; axis++) count *= sizes[axis] as number;
  const starts = steps.map((own, k) => startsOf(sizes, own, { count, first: offsets?.[k] ?? 0 }));
  return { count, length: empty ? 0 : length, steps: steps.map((own) => own[sizes.length - 1] ?? 0), starts };
}

function startsOf(
  sizes: readonly number[],
  steps: readonly number[],
  options: { readonly count: number; readonly first: number },
): Int32Array {
  const { count, first } = options;
  const starts = new Int32Array(count);
  const outer = sizes.length - 1;
  const index = new Array<number>(Math.max(0, outer)).fill(0);
  let at = first;
  for (let r = 0; r < count; r++) {
    starts[r] = at;
    for (let axis = outer - 1; axis >= 0; axis--) {
      at += steps[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (sizes[axis] as number)) break;
      at -= (steps[axis] as number) * (sizes[axis] as number);
      index[axis] = 0;
    }
  }
  return starts;
}
