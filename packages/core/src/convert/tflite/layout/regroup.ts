import { canonicalOrder, type Order } from "./order.ts";
import type { LayoutRule } from "./rule.ts";

/** Axes of the input and of the output that hold the same elements, in the same order. */
export interface AxisGroup {
  readonly input: readonly number[];
  readonly output: readonly number[];
}

/**
 * Cuts two shapes of equally many elements into the smallest groups of axes with equal products: [2, 3, 4] and [2, 12] give {0 | 0}, {1, 2 | 1}.
 * Axes of size 1 are left out, since they move nothing; shapes with a 0 have no groups.
 */
export function groupAxes(input: readonly number[], output: readonly number[]): readonly AxisGroup[] | undefined {
  if (input.includes(0) || output.includes(0)) return undefined;
  const left = input.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  const right = output.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  const groups: AxisGroup[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    const from = [left[i++] as number];
    const to = [right[j++] as number];
    let a = input[from[0] as number] as number;
    let b = output[to[0] as number] as number;
    while (a !== b) {
      const axis = a < b ? left[i++] : right[j++];
      if (axis === undefined) return undefined;
      if (a < b) {
        from.push(axis);
        a *= input[axis] as number;
      } else {
        to.push(axis);
        b *= output[axis] as number;
      }
    }
    groups.push({ input: from, output: to });
  }
  return i === left.length && j === right.length ? groups : undefined;
}

/**
 * The order of the other side when one side stands in `order`: groups may change places as wholes, but the axes of one must stay together and in order.
 * Axes of size 1 of the other side come first where they are not told. `undefined` where a group is torn apart.
 */
export function followGroups(
  groups: readonly AxisGroup[],
  order: Order,
  way: { readonly from: "input" | "output"; readonly rank: number },
): Order | undefined {
  const { from, rank } = way;
  const to = from === "input" ? "output" : "input";
  const moving = new Set(groups.flatMap((g) => g[from]));
  const path = order.filter((axis) => moving.has(axis));
  const result: number[] = [];
  for (let at = 0; at < path.length; ) {
    const group = groups.find((g) => g[from][0] === path[at]);
    if (group === undefined || !group[from].every((axis, k) => path[at + k] === axis)) return undefined;
    result.push(...group[to]);
    at += group[from].length;
  }
  return withOnes(result, rank);
}

/** Puts the axes that are not in the list (all of size 1) back: each right behind the axis that comes before it in canonical order. */
function withOnes(axes: readonly number[], rank: number): Order {
  const result = [...axes];
  for (const axis of canonicalOrder(rank)) {
    if (axes.includes(axis)) continue;
    const before = result.indexOf(axis - 1);
    result.splice(before + 1, 0, axis);
  }
  return result;
}

/** Reshape and its kin: free in every order that keeps groups of axes together, because the elements then lie in memory as they did. */
export const regrouping: LayoutRule = (site) => {
  const [input, output] = [site.node.inputs[0] as string, site.node.outputs[0] as string];
  const [from, to] = [site.shape(input), site.shape(output)];
  const rest = site.node.inputs.slice(1).map(() => undefined);
  const natural = { inputs: [canonicalOrder(from.length), ...rest], outputs: [canonicalOrder(to.length)] };
  const groups = groupAxes(from, to);
  if (groups === undefined) return { natural };
  return {
    natural,
    follow: (port, order) => {
      const isInput = port.side === "input";
      const other = followGroups(groups, order, {
        from: port.side,
        rank: isInput ? to.length : from.length,
      });
      if (other === undefined) return undefined;
      return { inputs: [isInput ? order : other, ...rest], outputs: [isInput ? other : order] };
    },
  };
};
