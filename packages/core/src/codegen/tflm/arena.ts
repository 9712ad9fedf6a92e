/** Builds of the interpreter whose arenas differ: kernels ask for scratch memory of different sizes. */
export type TflmKernels = "reference" | "cmsis-nn-dsp" | "cmsis-nn-mve";

/** A convolution as far as its scratch memory goes. */
export interface TflmConv {
  readonly kind: "conv" | "depthwise";
  /** Kernel height and width. */
  readonly window: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly inChannels: number;
  readonly outChannels: number;
}

/** What the persistent part of an arena depends on. */
export interface TflmShape {
  readonly operators: number;
  /** Tensors of the file, constants among them. */
  readonly tensors: number;
  /** Output channels of all operators that keep a multiplier and a shift for each: convolutions. */
  readonly channels: number;
}

const round = (n: number, to: number): number => Math.ceil(n / to) * to;

/**
 * Scratch memory that a convolution's kernel asks for while it is prepared, bytes. CMSIS-NN copies patches into it, as 16-bit numbers; its pointwise kernels
 * and the 3x3 depthwise one of the DSP form need none. Source: its buffer-size functions, as measured in builds with gcc 12.
 */
export function tflmScratchBytes(conv: TflmConv, kernels: TflmKernels): number {
  const [height, width] = conv.window;
  const taps = height * width;
  if (kernels === "reference") return 0;
  if (conv.kind === "conv") {
    const pointwise = taps === 1 && conv.strides[0] === 1 && conv.strides[1] === 1;
    return pointwise ? 0 : 4 * round(taps * conv.inChannels, kernels === "cmsis-nn-mve" ? 16 : 4);
  }
  if (kernels === "cmsis-nn-mve") return 4 * 124 * taps;
  const fast = height === 3 && width === 3 && conv.inChannels === conv.outChannels;
  return fast ? 0 : 2 * conv.inChannels * taps;
}

/** Sizes of the interpreter's own structures on a 32-bit processor, bytes. */
const STRUCTURES = {
  /** Multiplier and shift of an output channel. */
  channel: 8,
  /** TfLiteEvalTensor: three words. */
  tensor: 12,
  /** Node, registration and the kernel's own data. */
  operator: 124,
  fixed: 132,
} as const;

/** What is added for prepare-time temporaries and for versions that differ: this share of the persistent part, and at least so many bytes. */
const MARGIN = { share: 0.1, least: 1024 } as const;

/** An arena's size as it is expected on a 32-bit processor, bytes. */
export interface TflmArena {
  /** Tensors and scratch: the planned part. */
  readonly plannedBytes: number;
  /** The interpreter's structures. */
  readonly persistentBytes: number;
  readonly marginBytes: number;
  /** Their sum, a multiple of 16: what to reserve. */
  readonly bytes: number;
  readonly says: string;
}

/**
 * What to reserve for the arena. The planned part is exact; the persistent one is by sizes of structures that were fitted to two networks built for Cortex-M4
 * (visual wake words: 26,932 bytes, keyword spotting: 6,772, both met), and a margin is added because versions differ.
 */
export function tflmArena(plannedBytes: number, shape: TflmShape): TflmArena {
  const persistentBytes =
    STRUCTURES.channel * shape.channels +
    STRUCTURES.tensor * shape.tensors +
    STRUCTURES.operator * shape.operators +
    STRUCTURES.fixed;
  const marginBytes = Math.max(MARGIN.least, Math.ceil(MARGIN.share * persistentBytes));
  return {
    plannedBytes,
    persistentBytes,
    marginBytes,
    bytes: round(plannedBytes + persistentBytes + marginBytes, 16),
    says: `planned part exact, persistent part estimated for 32-bit processors, with a margin of ${marginBytes} bytes; arena_used_bytes() of the running interpreter tells the rest`,
  };
}
