import { DTYPES } from "../../../../graph/dtype.ts";
import { countOf, fromNumbers } from "../../../../graph/tensor.ts";
import {
  activated,
  frontAxis,
  intsOf,
  knownInts,
  optionsOf,
  type RaiseRow,
  type Site,
  shapeOf,
  toChannelsFirst,
  toChannelsLast,
} from "../site.ts";

/** A value as int64, which ONNX wants for sizes and positions. */
export function asInt64(site: Site, value: string): string {
  const { builder } = site;
  const known = knownInts(site, value);
  if (known !== undefined) return builder.constant("list", fromNumbers("int64", builder.shape(value), known));
  return builder.type(value).dtype === "int64" ? value : builder.emit("Cast", [value], { attributes: { to: DTYPES.int64.onnx } });
}

/** RESHAPE to a list of sizes, of which one may be -1. */
const reshape: RaiseRow = (site) => {
  const { builder } = site;
  const from = shapeOf(site, 0);
  const known = site.has(1) ? knownInts(site, site.value(1)) : undefined;
  const listed = optionsOf(site, "ReshapeOptions").newShape;
  let target: number[];
  if (known !== undefined) target = known;
  else if (listed !== undefined && !site.has(1)) target = Array.from(listed);
  else if (site.has(1)) return [builder.emit("Reshape", [site.value(0), asInt64(site, site.value(1))])];
  else throw site.refuse("it has no target");
  // An old way to write a scalar.
  if (target.length === 1 && target[0] === 0 && countOf(from) === 1) target = [];
  const open = target.filter((size) => size === -1).length;
  const rest = target.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const count = countOf(from);
  if (open > 1 || target.some((size) => size < -1) || (open === 1 ? rest === 0 || count % rest !== 0 : rest !== count))
    throw site.refuse(`its target is [${target}] for an input of [${from}]`);
  return [
    reshaped(
      site,
      site.value(0),
      target.map((size) => (size === -1 ? count / rest : size)),
    ),
  ];
};

function reshaped(site: Site, value: string, shape: readonly number[]): string {
  const { builder } = site;
  return builder.emit("Reshape", [value, builder.list(shape)], shape.includes(0) ? { attributes: { allowzero: 1 } } : {});
}

const squeeze: RaiseRow = (site) => {
  const shape = shapeOf(site, 0);
  const listed = Array.from(optionsOf(site, "SqueezeOptions").squeezeDims ?? [], (axis) => frontAxis(site, axis, shape.length));
  const axes = listed.length > 0 ? listed : shape.flatMap((size, axis) => (size === 1 ? [axis] : []));
  if (axes.length === 0) return [site.value(0)];
  return [site.builder.emit("Squeeze", [site.value(0), site.builder.list([...new Set(axes)].sort((a, b) => a - b))])];
};

const expandDims: RaiseRow = (site) => {
  const rank = shapeOf(site, 0).length + 1;
  const [axis = 0] = intsOf(site, 1, "the axis");
  return [site.builder.emit("Unsqueeze", [site.value(0), site.builder.list([frontAxis(site, axis, rank)])])];
};

const transpose: RaiseRow = (site) => {
  const rank = shapeOf(site, 0).length;
  const perm = intsOf(site, 1, "the permutation").map((axis) => frontAxis(site, axis, rank));
  if (perm.length !== rank || new Set(perm).size !== rank) throw site.refuse(`its permutation is [${perm}] for rank ${rank}`);
  return [site.builder.emit("Transpose", [site.value(0)], { attributes: { perm } })];
};

const concatenation: RaiseRow = (site) => {
  const { axis = 0, fusedActivationFunction } = optionsOf(site, "ConcatenationOptions");
  const values = Array.from({ length: site.inputs }, (_, i) => site.value(i));
  const y = site.builder.emit("Concat", values, { attributes: { axis: frontAxis(site, axis, shapeOf(site, 0).length) } });
  return [activated(site, y, fusedActivationFunction)];
};

const pack: RaiseRow = (site) => {
  const { builder } = site;
  const axis = frontAxis(site, optionsOf(site, "PackOptions").axis ?? 0, shapeOf(site, 0).length + 1);
  const values = Array.from({ length: site.inputs }, (_, i) => builder.emit("Unsqueeze", [site.value(i), builder.list([axis])]));
  return [builder.emit("Concat", values, { attributes: { axis } })];
};

/** Parts of a value along an axis. One part is the value itself. */
function split(site: Site, i: number, at: { readonly axis: number; readonly sizes: readonly number[] }): readonly string[] {
  const { builder } = site;
  if (at.sizes.length !== site.outputs || site.outputs === 0)
    throw site.refuse(`it makes ${site.outputs} outputs of ${at.sizes.length} parts`);
  if (at.sizes.length === 1) return [builder.emit("Identity", [site.value(i)])];
  return builder.emitMany("Split", [site.value(i), builder.list(at.sizes)], {
    outputs: at.sizes.length,
    attributes: { axis: at.axis },
  });
}

const unpack: RaiseRow = (site) => {
  const { builder } = site;
  const shape = shapeOf(site, 0);
  const axis = frontAxis(site, optionsOf(site, "UnpackOptions").axis ?? 0, shape.length);
  if (shape[axis] !== site.outputs) throw site.refuse(`it makes ${site.outputs} outputs of [${shape}]`);
  const parts = split(site, 0, { axis, sizes: new Array<number>(site.outputs).fill(1) });
  return parts.map((part) => builder.emit("Squeeze", [part, builder.list([axis])]));
};

const evenSplit: RaiseRow = (site) => {
  const shape = shapeOf(site, 1);
  const [axis = 0] = intsOf(site, 0, "the axis");
  const front = frontAxis(site, axis, shape.length);
  const size = (shape[front] as number) / site.outputs;
  if (!Number.isInteger(size)) throw site.refuse(`[${shape}] cannot be split in ${site.outputs} along axis ${front}`);
  return split(site, 1, { axis: front, sizes: new Array<number>(site.outputs).fill(size) });
};

const splitV: RaiseRow = (site) => {
  const shape = shapeOf(site, 0);
  const sizes = intsOf(site, 1, "the list of sizes");
  const [axis = 0] = intsOf(site, 2, "the axis");
  const front = frontAxis(site, axis, shape.length);
  const rest = (shape[front] as number) - sizes.reduce((sum, size) => sum + Math.max(size, 0), 0);
  const whole = sizes.map((size) => (size < 0 ? rest : size));
  if (whole.some((size) => size < 0) || whole.reduce((sum, size) => sum + size, 0) !== shape[front])
    throw site.refuse(`its sizes are [${sizes}] for an axis of ${shape[front]}`);
  return split(site, 0, { axis: front, sizes: whole });
};

const spaceToDepth: RaiseRow = (site) => {
  const blocksize = optionsOf(site, "SpaceToDepthOptions").blockSize ?? 0;
  if (blocksize < 1) throw site.refuse(`its block size is ${blocksize}`);
  return [
    toChannelsLast(
      site,
      site.builder.emit("SpaceToDepth", [toChannelsFirst(site, site.value(0))], { attributes: { blocksize } }),
    ),
  ];
};

const depthToSpace: RaiseRow = (site) => {
  const blocksize = optionsOf(site, "DepthToSpaceOptions").blockSize ?? 0;
  if (blocksize < 1) throw site.refuse(`its block size is ${blocksize}`);
  return [
    toChannelsLast(
      site,
      site.builder.emit("DepthToSpace", [toChannelsFirst(site, site.value(0))], { attributes: { blocksize, mode: "DCR" } }),
    ),
  ];
};

const cast: RaiseRow = (site) => {
  const { dtype, isQuantized } = site.target(0);
  if (isQuantized || site.source(0).isQuantized) throw site.refuse("it casts the integers of a quantized tensor");
  return [site.builder.emit("Cast", [site.value(0)], { attributes: { to: DTYPES[dtype].onnx } })];
};

/** Where elements stand. */
export const MOVEMENT_ROWS = {
  RESHAPE: reshape,
  SQUEEZE: squeeze,
  EXPAND_DIMS: expandDims,
  TRANSPOSE: transpose,
  CONCATENATION: concatenation,
  PACK: pack,
  UNPACK: unpack,
  SPLIT: evenSplit,
  SPLIT_V: splitV,
  SPACE_TO_DEPTH: spaceToDepth,
  DEPTH_TO_SPACE: depthToSpace,
  CAST: cast,
  TILE: (site) => [site.builder.emit("Tile", [site.value(0), asInt64(site, site.value(1))])],
  BROADCAST_TO: (site) => [site.builder.emit("Expand", [site.value(0), asInt64(site, site.value(1))])],
} as const satisfies Record<string, RaiseRow>;
