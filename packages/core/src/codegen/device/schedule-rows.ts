import type { DeviceBroadcast, DeviceProgram, DeviceStep, DeviceWindow } from "./program.ts";

/** How a step goes through its input row by row. */
export interface RowShape {
  readonly inRows: number;
  readonly outRows: number;
  readonly inRowBytes: number;
  readonly outRowBytes: number;
  /** Rows of input that one row of output needs, counted with dilation; by how many they move; rows of padding above. 1, 1 and 0 without a window. */
  readonly extent: number;
  readonly stride: number;
  readonly top: number;
  /** Sizes of a ring of its input; none for a step that reads the row at hand. */
  readonly ring?: {
    readonly rows: number;
    readonly columns: number;
    readonly channels: number;
    readonly left: number;
    readonly top: number;
  };
  /** The whole is divided into rows by the step before it (elementwise steps): sizes hold for the number of rows that was asked for. */
  readonly flexible: boolean;
}

type Windowed = Extract<DeviceStep, DeviceWindow>;

/** Whether a step slides a window over a picture. */
export function isWindowed(step: DeviceStep): step is Windowed {
  return step.kind === "conv" || step.kind === "depthwise" || step.kind === "maxPool" || step.kind === "averagePool";
}

/** Whether each output pixel depends on one input pixel, by a matrix: pointwise convolutions and fully connected steps. */
export function isPointwise(step: DeviceStep): boolean {
  if (step.kind === "fullyConnected") return true;
  if (step.kind !== "conv") return false;
  const { kernel, strides, pads, group } = step;
  const isOne = (pair: readonly number[]): boolean => pair[0] === 1 && pair[1] === 1;
  const isSameSize = step.height === step.outHeight && step.width === step.outWidth;
  return isOne(kernel) && isOne(strides) && pads[0] === 0 && pads[1] === 0 && group === 1 && isSameSize;
}

/** Whether a step computes each element of its output from the elements at the same place. */
export function isElementwise(step: DeviceStep): boolean {
  return step.kind === "table" || isBroadcast(step);
}

/** Whether a step combines two operands element by element. */
export function isBroadcast(step: DeviceStep): step is Extract<DeviceStep, DeviceBroadcast> {
  return ["add", "mul", "prelu", "maximum", "minimum"].includes(step.kind);
}

/**
 * How a step can be computed row by row: windows by their own sizes, elementwise and pointwise steps by the `rows` that their input comes in.
 *
 * @returns nothing for a step that needs its input whole, or whose rows are not those
 */
export function rowShapeOf(step: DeviceStep, rows?: number): RowShape | undefined {
  if (isWindowed(step) && !isPointwise(step)) return windowShape(step);
  if (isPointwise(step)) return pointwiseShape(step, rows);
  if (rows === undefined) return undefined;
  const count = elementsOf(step);
  if (count === undefined || count % rows !== 0) return undefined;
  if (isBroadcast(step) && (step.sizes[0] as number) % rows !== 0) return undefined;
  const bytes = count / rows;
  return { inRows: rows, outRows: rows, inRowBytes: bytes, outRowBytes: bytes, extent: 1, stride: 1, top: 0, flexible: true };
}

function elementsOf(step: DeviceStep): number | undefined {
  if (step.kind === "table") return step.count;
  return isBroadcast(step) ? step.sizes.reduce((a, b) => a * b, 1) : undefined;
}

function windowShape(step: Windowed): RowShape {
  const { height, width, channels, outHeight, outWidth, outChannels, kernel, strides, dilations, pads } = step;
  const extent = (kernel[0] - 1) * dilations[0] + 1;
  const isPool = step.kind === "maxPool" || step.kind === "averagePool";
  const reach = (outWidth - 1) * strides[1] + (kernel[1] - 1) * dilations[1] + 1;
  const left = isPool ? 0 : pads[1];
  const columns = isPool ? width : Math.max(left + width, reach);
  return {
    inRows: height,
    outRows: outHeight,
    inRowBytes: width * channels,
    outRowBytes: outWidth * outChannels,
    extent,
    stride: strides[0],
    top: pads[0],
    ring: { rows: extent, columns, channels, left, top: pads[0] },
    flexible: false,
  };
}

function pointwiseShape(step: DeviceStep, rows: number | undefined): RowShape | undefined {
  const { pixels, depth, outputs } = matrixOf(step);
  const asked = rows ?? (step.kind === "conv" ? step.height : pixels);
  if (pixels % asked !== 0) return undefined;
  const wide = pixels / asked;
  const sizes = { inRows: asked, outRows: asked, inRowBytes: wide * depth, outRowBytes: wide * outputs };
  return { ...sizes, extent: 1, stride: 1, top: 0, flexible: true };
}

/** Sizes of a pointwise step: pixels, channels of each before and after. */
export function matrixOf(step: DeviceStep): { readonly pixels: number; readonly depth: number; readonly outputs: number } {
  if (step.kind === "fullyConnected") return { pixels: step.rows, depth: step.depth, outputs: step.outputs };
  if (step.kind !== "conv") return { pixels: 0, depth: 0, outputs: 0 };
  return { pixels: step.height * step.width, depth: step.channels, outputs: step.outChannels };
}

/** How many rows of output can be made when the first `come` rows of input are there. */
export function rowsMade(shape: RowShape, come: number): number {
  if (come >= shape.inRows) return shape.outRows;
  return Math.max(0, Math.min(shape.outRows, Math.floor((come + shape.top - shape.extent) / shape.stride) + 1));
}

/** The value whose memory a name stands for. */
export function ownerOf(program: DeviceProgram, name: string): string {
  return program.views.get(name) ?? name;
}

/** The inputs of a step that lie in the arena, by the values that own their memory; constants are not among them. */
export function activationsOf(
  program: DeviceProgram,
  step: DeviceStep,
): readonly { readonly operand: number; readonly owner: string }[] {
  return step.inputs.flatMap((name, operand) =>
    name !== "" && !program.constants.has(name) && program.values.has(name) ? [{ operand, owner: ownerOf(program, name) }] : [],
  );
}

/** Everything that a step writes: its output, and the states that an LSTM gives out. */
export function writtenBy(program: DeviceProgram, step: DeviceStep): readonly string[] {
  const all = step.kind === "lstm" ? [step.output, ...step.states] : [step.output];
  return all.filter((name) => name !== "" && program.values.has(name)).map((name) => ownerOf(program, name));
}
