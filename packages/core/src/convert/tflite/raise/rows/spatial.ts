import { MIRROR_PAD_MODES } from "../../../../formats/tflite/enums.ts";
import { i64 } from "../../../../graph/tensor.ts";
import { intsOf, optionsOf, type RaiseRow, requireRank, type Site, shapeOf, toChannelsFirst, toChannelsLast } from "../site.ts";
import { sliced } from "./slice.ts";

/** Pairs of elements to add before and after each axis, as ONNX lists them: all befores, then all afters. */
function padsOf(site: Site, i: number, rank: number): number[] {
  const flat = intsOf(site, i, "its list of pads");
  if (flat.length !== 2 * rank || flat.some((n) => n < 0)) throw site.refuse(`its pads are [${flat}] for rank ${rank}`);
  return [...flat.filter((_, k) => k % 2 === 0), ...flat.filter((_, k) => k % 2 === 1)];
}

/** PAD with zeros, PADV2 with a value. */
const pad: RaiseRow = (site) => {
  const { builder } = site;
  const pads = padsOf(site, 1, shapeOf(site, 0).length);
  if (pads.every((n) => n === 0)) return [site.value(0)];
  const inputs = [site.value(0), builder.list(pads)];
  if (site.has(2)) {
    const value = site.value(2);
    inputs.push(
      builder.shape(value).length === 0
        ? value
        : builder.emit("Squeeze", [value, builder.list(builder.shape(value).map((_, axis) => axis))]),
    );
  }
  return [builder.emit("Pad", inputs)];
};

/** Longest axis whose positions are listed: no picture is wider. */
const MAX_POSITIONS = 1 << 16;

/** MIRROR_PAD: without the border as ONNX's reflect; with it, which ONNX does not have, by picking positions along each axis. */
const mirrorPad: RaiseRow = (site) => {
  const { builder } = site;
  const shape = shapeOf(site, 0);
  const pads = padsOf(site, 1, shape.length);
  const isReflect = (optionsOf(site, "MirrorPadOptions").mode ?? 0) === MIRROR_PAD_MODES.REFLECT;
  let value = site.value(0);
  if (pads.every((n) => n === 0)) return [value];
  const tooFar = shape.some(
    (size, axis) => Math.max(pads[axis] as number, pads[axis + shape.length] as number) > size - (isReflect ? 1 : 0),
  );
  if (tooFar) throw site.refuse(`its pads are [${pads}] for [${shape}]`);
  if (isReflect) return [builder.emit("Pad", [value, builder.list(pads)], { attributes: { mode: "reflect" } })];
  if (shape.some((size, axis) => size + (pads[axis] as number) + (pads[axis + shape.length] as number) > MAX_POSITIONS))
    throw site.refuse(`it repeats a border around [${shape}], which takes lists of more than ${MAX_POSITIONS} positions`);
  shape.forEach((size, axis) => {
    const [before, after] = [pads[axis] as number, pads[axis + shape.length] as number];
    if (before + after === 0) return;
    const positions = Array.from({ length: before + size + after }, (_, i) => {
      const k = i - before;
      return k < 0 ? -k - 1 : k >= size ? 2 * size - 1 - k : k;
    });
    value = builder.emit("Gather", [value, builder.constant("positions", i64([positions.length], positions))], {
      attributes: { axis },
    });
  });
  return [value];
};

/** RESIZE: sizes as an input; which source position an output position means depends on two flags. */
function resize(mode: "linear" | "nearest", kind: "ResizeBilinearOptions" | "ResizeNearestNeighborOptions"): RaiseRow {
  return (site) => {
    const { builder } = site;
    const { alignCorners = false, halfPixelCenters = false } = optionsOf(site, kind);
    const [batch, , , channels] = requireRank(site, 0, 4) as readonly [number, number, number, number];
    const size = intsOf(site, 1, "the size of its output");
    if (size.length !== 2 || size.some((n) => n <= 0)) throw site.refuse(`the size of its output is [${size}]`);
    if (alignCorners && halfPixelCenters)
      throw site.refuse("it aligns corners and takes centres of pixels, which exclude each other");
    const coordinates = alignCorners ? "align_corners" : halfPixelCenters ? "half_pixel" : "asymmetric";
    const x = toChannelsFirst(site, site.value(0));
    const y = builder.emit("Resize", [x, "", "", builder.list([batch, channels, ...size])], {
      attributes: {
        mode,
        coordinate_transformation_mode: coordinates,
        ...(mode === "nearest" ? { nearest_mode: coordinates === "asymmetric" ? "floor" : "round_prefer_ceil" } : {}),
      },
    });
    return [toChannelsLast(site, y)];
  };
}

/** Block sizes and pads or crops of SPACE_TO_BATCH_ND and its way back. */
function blocksOf(site: Site): { readonly blocks: readonly number[]; readonly edges: readonly (readonly [number, number])[] } {
  const blocks = intsOf(site, 1, "its block shape");
  const flat = intsOf(site, 2, "its list of pads or crops");
  const rank = shapeOf(site, 0).length;
  if (
    blocks.length < 1 ||
    blocks.length > rank - 1 ||
    blocks.some((b) => b < 1) ||
    flat.length !== 2 * blocks.length ||
    flat.some((n) => n < 0)
  )
    throw site.refuse(`its blocks are [${blocks}] with [${flat}] for rank ${rank}`);
  return { blocks, edges: blocks.map((_, i) => [flat[2 * i] as number, flat[2 * i + 1] as number]) };
}

/** Every block of pixels is spread over the batch: outer order [block..., N]. */
const spaceToBatch: RaiseRow = (site) => {
  const { builder } = site;
  const { blocks, edges } = blocksOf(site);
  const shape = shapeOf(site, 0);
  const rest = shape.length - 1 - blocks.length;
  const pads = [
    0,
    ...edges.map((e) => e[0]),
    ...new Array<number>(rest).fill(0),
    0,
    ...edges.map((e) => e[1]),
    ...new Array<number>(rest).fill(0),
  ];
  const padded = pads.every((n) => n === 0) ? site.value(0) : builder.emit("Pad", [site.value(0), builder.list(pads)]);
  const sizes = builder.shape(padded);
  const cut = blocks.map((block, i) => (sizes[i + 1] as number) / block);
  if (!cut.every(Number.isInteger)) throw site.refuse(`blocks of [${blocks}] do not tile [${sizes}]`);
  const tail = sizes.slice(1 + blocks.length);
  const [batch] = sizes as readonly [number];
  const wide = builder.emit("Reshape", [
    padded,
    builder.list([batch, ...blocks.flatMap((block, i) => [cut[i] as number, block]), ...tail]),
  ]);
  const m = blocks.length;
  const perm = [...blocks.map((_, i) => 2 * i + 2), 0, ...blocks.map((_, i) => 2 * i + 1), ...tail.map((_, i) => 2 * m + 1 + i)];
  const turned = builder.emit("Transpose", [wide], { attributes: { perm } });
  const total = blocks.reduce((product, block) => product * block, batch);
  return [builder.emit("Reshape", [turned, builder.list([total, ...cut, ...tail])])];
};

const batchToSpace: RaiseRow = (site) => {
  const { builder } = site;
  const { blocks, edges } = blocksOf(site);
  const shape = shapeOf(site, 0);
  const batch = (shape[0] as number) / blocks.reduce((product, block) => product * block, 1);
  if (!Number.isInteger(batch)) throw site.refuse(`blocks of [${blocks}] do not divide a batch of ${shape[0]}`);
  const m = blocks.length;
  const spatial = shape.slice(1, 1 + m);
  const tail = shape.slice(1 + m);
  const wide = builder.emit("Reshape", [site.value(0), builder.list([...blocks, batch, ...spatial, ...tail])]);
  const perm = [m, ...blocks.flatMap((_, i) => [m + 1 + i, i]), ...tail.map((_, i) => 2 * m + 1 + i)];
  const turned = builder.emit("Transpose", [wide], { attributes: { perm } });
  const whole = builder.emit("Reshape", [
    turned,
    builder.list([batch, ...spatial.map((size, i) => size * (blocks[i] as number)), ...tail]),
  ]);
  const sizes = builder.shape(whole);
  const ranges = edges.map(([before, after], i) => {
    const size = sizes[i + 1] as number;
    if (before + after > size) throw site.refuse(`its crops are more than [${sizes}]`);
    return { axis: i + 1, start: before, end: size - after, step: 1 };
  });
  return [sliced(site, whole, ranges)];
};

/** Pixels in their plane. */
export const SPATIAL_ROWS = {
  PAD: pad,
  PADV2: pad,
  MIRROR_PAD: mirrorPad,
  RESIZE_BILINEAR: resize("linear", "ResizeBilinearOptions"),
  RESIZE_NEAREST_NEIGHBOR: resize("nearest", "ResizeNearestNeighborOptions"),
  SPACE_TO_BATCH_ND: spaceToBatch,
  BATCH_TO_SPACE_ND: batchToSpace,
} as const satisfies Record<string, RaiseRow>;
