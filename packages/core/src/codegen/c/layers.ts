import { fail } from "../../base/error.ts";
import type { DeviceConv, DeviceFullyConnected, DeviceStep } from "../device/program.ts";
import type { RowRing, ScheduleItem } from "../device/schedule.ts";
import { isPointwise } from "../device/schedule-rows.ts";
import { blockAt, call, callOf, type EmitContext, type StepCode, scratchAt, typeOf, valueAt } from "./context.ts";
import { broadcastCode, isBroadcast, tableCode } from "./elementwise.ts";
import { lstmCode } from "./lstm.ts";
import { copyCode, fillCode, gatherCode } from "./moves.ts";
import { l2Code, meanCode, resizeCode, softmaxCode } from "./reductions.ts";
import {
  fillLine,
  hasHalo,
  needsFill,
  ringPitch,
  rowLines,
  sumParameters,
  sumsOf,
  type WindowStep,
  windowBegin,
  windowCall,
  windowParameters,
} from "./windows.ts";

/** A step over whole values. */
export type LayerItem = Extract<ScheduleItem, { readonly kind: "layer" }>;

/** Steps that may be a product of pixels with a matrix. */
export type PointwiseStep = DeviceConv | DeviceFullyConnected;

/** The step itself when it is a product of pixels with a matrix. */
export function asPointwise(step: DeviceStep): PointwiseStep | undefined {
  return (step.kind === "conv" || step.kind === "fullyConnected") && isPointwise(step) ? step : undefined;
}

/**
 * The call that computes a layer; its function is among the context's instances, shared with layers whose code is the same to the letter.
 *
 * @throws UNSUPPORTED_OP for types that no kernel takes
 */
export function layerCall(context: EmitContext, item: LayerItem): string {
  checkTypes(context, item.step);
  return callOf(context, layerCode(context, item), item.step.node);
}

function layerCode(context: EmitContext, item: LayerItem): StepCode {
  const { step } = item;
  const pointwise = asPointwise(step);
  if (pointwise !== undefined) return pointwiseLayer(context, item, pointwise);
  if (isBroadcast(step)) return broadcastCode(context, step);
  switch (step.kind) {
    case "conv":
    case "depthwise":
    case "maxPool":
    case "averagePool":
      return windowLayer(context, item, step);
    case "table":
      return tableCode(context, step);
    case "mean":
      return meanCode(context, step);
    case "softmax":
      return softmaxCode(context, step, scratchAt(context, item.scratch));
    case "l2Normalization":
      return l2Code(context, step);
    case "resizeBilinear":
      return resizeCode(context, step);
    case "copy":
      return copyCode(context, step);
    case "fill":
      return fillCode(context, step);
    case "gather":
      return gatherCode(context, step);
    case "lstm":
      return lstmCode(context, step, scratchAt(context, item.scratch));
    case "fullyConnected":
      return pointwiseLayer(context, item, step);
  }
}

/** Kinds whose kernels move bytes and do not mind what they mean. */
const ANY_TYPE: readonly string[] = ["copy", "fill", "gather", "table"];

/** Kernels compute on int8; only what moves bytes takes other types. */
export function checkTypes(context: EmitContext, step: DeviceStep): void {
  if (ANY_TYPE.includes(step.kind)) return;
  for (const name of [...step.inputs, step.output]) {
    if (name === "") continue;
    const { dtype } = typeOf(context, name);
    if (dtype !== "int8")
      throw fail("UNSUPPORTED_OP", `Cannot write C for ${step.kind} with ${dtype}: its kernel computes on int8`, {
        at: { node: step.node, tensor: name },
      });
  }
}

function windowLayer(context: EmitContext, item: LayerItem, step: WindowStep): StepCode {
  const { ring } = item;
  const [input] = step.inputs as readonly [string];
  const rowBytes = step.width * step.channels;
  const outBytes = step.outWidth * step.outChannels;
  const constants = windowParameters(context, step, scratchAt(context, item.scratch));
  if (ring === undefined && hasHalo(step)) mustFit(step);
  const body = [
    ...windowBegin(context, step),
    ...(ring === undefined ? [] : ringStart(step, ring)),
    `for (int oy = 0; oy < ${step.outHeight}; oy++) {`,
    ...[
      ...(ring === undefined ? [] : ringLines(step, ring, rowBytes)),
      ...rowLines(step, ring, "oy"),
      windowCall(context, step, { valid: "valid", y: `y + oy * ${outBytes}`, begun: true }),
    ].map((line) => `  ${line}`),
    "}",
  ];
  return {
    word: step.kind === "depthwise" ? "depthwise" : step.kind === "conv" ? "conv" : "pool",
    parameters: [
      ["const int8_t *x", valueAt(context, input)],
      ...(ring === undefined ? [] : [["int8_t *ring", blockAt(context, ring.block)] as const]),
      ...constants,
      ["int8_t *y", valueAt(context, step.output)],
    ],
    body,
  };
}

/** A window without a ring reads the input itself, so it must not leave it. */
function mustFit(step: WindowStep): void {
  const { pads, kernel, strides, dilations, outHeight, outWidth, height, width } = step;
  const reach = (out: number, axis: 0 | 1): number => (out - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1;
  if (pads[0] !== 0 || pads[1] !== 0 || reach(outHeight, 0) > height || reach(outWidth, 1) > width)
    throw fail("PLAN_INVALID", "Cannot write C: the schedule has no ring for a window with padding", {
      at: { node: step.node },
    });
}

function ringStart(step: WindowStep, ring: RowRing): string[] {
  const fill = needsFill(step, ring) ? [fillLine(step, ring, { at: "ring", rows: ring.rows })] : [];
  return [`int v = ${ring.top};`, ...fill];
}

/** Puts the rows that output row oy needs into the ring; rows are counted with the padding above. */
function ringLines(step: WindowStep, ring: RowRing, rowBytes: number): string[] {
  const stride = step.strides[0];
  const place = ring.rows === 1 ? "ring" : `ring + (v % ${ring.rows}) * ${ringPitch(ring)}`;
  const left = ring.left * ring.channels;
  const taken = Math.min(rowBytes, ringPitch(ring) - left);
  const until = `oy * ${stride} + ${ring.rows}`;
  const real = `memcpy(${place}${left === 0 ? "" : ` + ${left}`}, x + (v - ${ring.top}) * ${rowBytes}, ${taken});`;
  const skip = stride > ring.rows ? [`if (v < oy * ${stride})`, `  v = oy * ${stride};`] : [];
  // Pools count no rows that are missing.
  const last = ring.top + step.height;
  if (!hasHalo(step)) return [`for (; v < ${until} && v < ${last}; v++)`, `  ${real}`];
  return [
    ...skip,
    `for (; v < ${until}; v++) {`,
    `  if (v < ${last})`,
    `    ${real}`,
    "  else",
    `    ${fillLine(step, ring, { at: place, rows: 1 })}`,
    "}",
  ];
}

/** The arguments of ts_pointwise; `x`, `pixels` and `y` are C expressions. */
export function pointwiseCall(
  context: EmitContext,
  step: PointwiseStep,
  { x, pixels, y }: { readonly x: string; readonly pixels: string | number; readonly y: string },
): string {
  const { pitch, flags } = sumsOf(context, step);
  const [lo, hi] = step.clamp;
  const { depth, outputs } = matrixOf(step);
  const tail = ["bias", "mult", "shift", step.outputZero, lo, hi];
  if (step.kind === "fullyConnected" && step.weightsZero !== 0)
    return call(context, "ts_fully_connected", [x, pixels, depth, outputs, "w", pitch, step.weightsZero, ...tail, y, flags]);
  return call(context, "ts_pointwise", [x, pixels, depth, outputs, "w", pitch, ...tail, "scratch", y, flags]);
}

/** Sizes of a pointwise step. */
export function matrixOf(step: PointwiseStep): {
  readonly pixels: number;
  readonly depth: number;
  readonly outputs: number;
} {
  if (step.kind === "fullyConnected") return { pixels: step.rows, depth: step.depth, outputs: step.outputs };
  return { pixels: step.height * step.width, depth: step.channels, outputs: step.outChannels };
}

/** Parameters of a pointwise kernel besides pixels. */
export function pointwiseParameters(
  context: EmitContext,
  step: PointwiseStep,
  scratch: string,
): readonly (readonly [string, string])[] {
  const isPlain = step.kind === "conv" || step.weightsZero === 0;
  return [...sumParameters(context, step), ...(isPlain ? [["int8_t *scratch", scratch] as const] : [])];
}

function pointwiseLayer(context: EmitContext, item: LayerItem, step: PointwiseStep): StepCode {
  const { ring, order } = item;
  const { pixels, depth, outputs } = matrixOf(step);
  const [input] = step.inputs as readonly [string];
  const constants = pointwiseParameters(context, step, scratchAt(context, item.scratch));
  const x = ["const int8_t *x", valueAt(context, input)] as const;
  const y = ["int8_t *y", valueAt(context, step.output)] as const;
  const word = step.kind === "conv" ? "pointwise" : "dense";
  if (ring === undefined)
    return {
      word,
      parameters: [x, ...constants, y],
      body: [pointwiseCall(context, step, { x: "x", pixels, y: "y" })],
    };
  const group = ring.columns;
  const groups = Math.ceil(pixels / group);
  const rest = pixels - (groups - 1) * group;
  const head = order === "forward" ? `for (int g = 0; g < ${groups}; g++) {` : `for (int g = ${groups - 1}; g >= 0; g--) {`;
  const count = rest === group ? String(group) : "n";
  const body = [
    head,
    ...(rest === group ? [] : [`  const int n = g == ${groups - 1} ? ${rest} : ${group};`]),
    `  memcpy(ring, x + g * ${group * depth}, ${rest === group ? group * depth : `(size_t)n * ${depth}`});`,
    `  ${pointwiseCall(context, step, { x: "ring", pixels: count, y: `y + g * ${group * outputs}` })}`,
    "}",
  ];
  return { word, parameters: [x, ["int8_t *ring", blockAt(context, ring.block)], ...constants, y], body };
}
