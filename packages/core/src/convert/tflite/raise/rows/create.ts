import { fail } from "../../../../base/error.ts";
import { fromNumbers } from "../../../../graph/tensor.ts";
import { type RaiseRow, type Site, shapeOf } from "../site.ts";
import { asInt64 } from "./movement.ts";

/** SHAPE: the sizes are known, so it is a constant; nothing else needs the value it asks about. */
const shape: RaiseRow = (site) => {
  const sizes = shapeOf(site, 0);
  return [site.builder.constant("shape", fromNumbers(site.target(0).dtype, [sizes.length], sizes))];
};

/** A scalar as one, whether it is written as [] or [1]. */
function scalar(site: Site, i: number): string {
  const { builder } = site;
  const sizes = shapeOf(site, i);
  return sizes.length === 0
    ? site.value(i)
    : builder.emit("Squeeze", [site.value(i), builder.list(sizes.map((_, axis) => axis))]);
}

const range: RaiseRow = (site) => {
  const types = [0, 1, 2].map((i) => site.builder.type(site.value(i)).dtype);
  if (new Set(types).size !== 1)
    throw fail("DTYPE_MISMATCH", `Cannot raise RANGE (operator ${site.index}): its bounds are of types ${types.join(", ")}`);
  return [site.builder.emit("Range", [scalar(site, 0), scalar(site, 1), scalar(site, 2)])];
};

const zerosLike: RaiseRow = (site) => {
  const { builder } = site;
  const { dtype } = builder.type(site.value(0));
  return [builder.emit("Expand", [builder.constant("zero", fromNumbers(dtype, [], [0])), builder.list(shapeOf(site, 0))])];
};

/** Values that come from sizes or from nothing. */
export const CREATE_ROWS = {
  SHAPE: shape,
  RANK: (site) => [site.builder.constant("rank", fromNumbers("int32", [], [shapeOf(site, 0).length]))],
  FILL: (site) => [site.builder.emit("Expand", [scalar(site, 1), asInt64(site, site.value(0))])],
  RANGE: range,
  ZEROS_LIKE: zerosLike,
} as const satisfies Record<string, RaiseRow>;
