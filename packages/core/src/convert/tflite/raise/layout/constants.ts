import type { Encoding } from "../../../../graph/plan.ts";
import { countOf, i64, type Tensor } from "../../../../graph/tensor.ts";
import type { NameBook } from "../../../onnx/names.ts";
import { channelsFirst, permuted } from "../permute.ts";
import type { LayoutEdit } from "./rule.ts";

/** Constants of a graph whose layout changes. */
export interface LayoutConstants extends Pick<LayoutEdit, "list" | "turned" | "replaced"> {
  /**
   * The constants that are used, and new names for those that stand for one that is used no more: a transposed constant is still the file's tensor of that
   * name. Encodings go along.
   */
  kept(used: ReadonlySet<string>): { readonly tensors: ReadonlyMap<string, Tensor>; readonly names: ReadonlyMap<string, string> };
}

/** Constants to be transposed for those who read them; the given ones stay as they are for the others. */
export function layoutConstants(
  given: ReadonlyMap<string, Tensor>,
  { book, encodings }: { readonly book: NameBook; readonly encodings: Map<string, Encoding> },
): LayoutConstants {
  const constants = new Map(given);
  const origins = new Map<string, string>();
  const turnedConstants = new Map<string, string>();
  const lists = new Map<string, string>();

  const add = (origin: string, tensor: Tensor): string => {
    const name = book.fresh(origin);
    constants.set(name, tensor);
    if (given.has(origin)) origins.set(name, origin);
    const encoding = encodings.get(origin);
    if (encoding !== undefined) encodings.set(name, encoding);
    return name;
  };

  return {
    list(values) {
      const key = values.join();
      const there = lists.get(key) ?? add("list", i64([values.length], values));
      lists.set(key, there);
      return there;
    },
    turned(name, rank, whole = false) {
      const tensor = constants.get(name) as Tensor;
      if (!whole && (countOf(tensor.shape) === 1 || tensor.shape.length > rank)) return name;
      const key = `${name}:${rank}:${whole}`;
      const there = turnedConstants.get(key);
      if (there !== undefined) return there;
      const wide = { ...tensor, shape: [...new Array<number>(rank - tensor.shape.length).fill(1), ...tensor.shape] };
      const turned = permuted(wide, channelsFirst(rank));
      // Ones in front say nothing where values broadcast: slopes of channels are [C, 1, 1].
      const drop = whole ? 0 : turned.shape.findIndex((size) => size !== 1);
      const made = add(name, { ...turned, shape: turned.shape.slice(drop) });
      const encoding = encodings.get(name);
      if (encoding?.axis !== undefined) {
        const axis = channelsFirst(rank).indexOf(encoding.axis + rank - tensor.shape.length) - drop;
        encodings.set(made, { ...encoding, axis });
      }
      turnedConstants.set(key, made);
      return made;
    },
    replaced: (name, change) => add(name, change(constants.get(name) as Tensor)),
    kept(used) {
      const names = new Map<string, string>();
      const taken = new Set<string>();
      for (const [name, origin] of origins) {
        if (!used.has(name) || used.has(origin) || taken.has(origin) || origin === "list") continue;
        names.set(name, origin);
        taken.add(origin);
        const encoding = encodings.get(name);
        if (encoding !== undefined) encodings.set(origin, encoding);
        encodings.delete(name);
      }
      const tensors = new Map<string, Tensor>();
      for (const [name, tensor] of constants) if (used.has(name)) tensors.set(names.get(name) ?? name, tensor);
      return { tensors, names };
    },
  };
}
