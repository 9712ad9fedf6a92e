import { fail } from "../../base/error.ts";
import { GraphDraft } from "../../graph/draft.ts";
import { DTYPES } from "../../graph/dtype.ts";
import type { Model } from "../../graph/model.ts";
import type { Encoding, QuantDType, QuantPlan } from "../../graph/plan.ts";
import { plannedModel } from "../../graph/planned.ts";
import { LEVELS } from "../../graph/quantize.ts";

/**
 * Versions of the encodings schema: "0.6.1" is what the converters of SNPE and QNN have taken as quantization overrides for years, "1.0.0" lists
 * tensors with vectors of scales, "2.0.0" has the fields of ONNX QuantizeLinear.
 */
export const ENCODINGS_VERSIONS = ["0.6.1", "1.0.0", "2.0.0"] as const;

/** One of {@link ENCODINGS_VERSIONS}. */
export type EncodingsVersion = (typeof ENCODINGS_VERSIONS)[number];

/** Options of {@link aimetEncodings}. */
export interface AimetEncodingsOptions {
  readonly version?: EncodingsVersion;
  /** Write the encodings of biases (32 bits) too. The tools work them out from those of input and weight when they have none. */
  readonly biases?: boolean;
}

/** Defaults of {@link AimetEncodingsOptions}. */
export const AIMET_ENCODINGS_DEFAULTS = { version: "1.0.0", biases: false } as const satisfies AimetEncodingsOptions;

/** An entry of version 0.6.1: one for each channel. Real = (q + offset) * scale with q from 0; "True" and "False" are texts. */
interface EntryOf061 {
  readonly bitwidth: number;
  readonly dtype: "int";
  readonly is_symmetric: "True" | "False";
  readonly max: number;
  readonly min: number;
  readonly offset: number;
  readonly scale: number;
}

/** An entry of version 1.0.0. */
interface EntryOf100 {
  readonly name: string;
  readonly bw: number;
  readonly dtype: "INT";
  readonly enc_type: "PER_TENSOR" | "PER_CHANNEL";
  readonly is_sym: boolean;
  readonly offset: readonly number[];
  readonly scale: readonly number[];
}

/** An entry of version 2.0.0. */
interface EntryOf200 {
  readonly name: string;
  readonly output_dtype: QuantDType;
  readonly y_scale: number | readonly number[];
  readonly y_zero_point?: number | readonly number[];
  readonly axis?: number;
}

/**
 * The encodings of a plan in the JSON schema that AIMET writes and that Qualcomm's converters take (`--quantization_overrides` of qnn-onnx-converter,
 * qairt-converter and snpe-onnx-to-dlc). Tensor names are those of `plannedModel(model, plan)`: that model, lowered to ONNX, is the file these
 * encodings belong to. Constants stand under params, all else under activations, since the converters look for a name in one of the two only.
 * Tensors that stay in float have no entry: give the converter `--float_fallback`, or it quantizes them by ranges of its own.
 *
 * Where zero is the middle of the grid the entry is symmetric and of a signed type; any other grid is written as the unsigned one with the same
 * real values. Offsets count from the lowest integer, so that of a symmetric 8-bit grid is -128; converters refuse any other (qualcomm/aimet#2468).
 *
 * Verified: fields, texts and offsets against the reader and the writer in the aimet-onnx package 2.42.0, which loads all three versions of our
 * files (bench/peers/exports.py). Not verified: Qualcomm's converters themselves, which no package registry has.
 *
 * @throws PLAN_INVALID for an encoding of a type that the schema has no word for (int64)
 */
export function aimetEncodings(model: Model, plan: QuantPlan, options: AimetEncodingsOptions = {}): string {
  const { version, biases } = { ...AIMET_ENCODINGS_DEFAULTS, ...options };
  const draft = new GraphDraft(plannedModel(model, plan).graph);
  const params: [string, Encoding][] = [];
  const activations: [string, Encoding][] = [];
  for (const [name, encoding] of [...plan.tensors].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    const isConstant = draft.constant(name) !== undefined;
    if (isConstant && DTYPES[encoding.dtype].bits >= 32 && !biases) continue;
    if (encoding.dtype === "int64")
      throw fail("PLAN_INVALID", `Cannot write the encoding of ${name}: the schema has no 64-bit integers`, {
        at: { tensor: name },
      });
    (isConstant ? params : activations).push([name, encoding]);
  }
  const producer = { package: "tessera", version: "0.1.0" };
  if (version === "2.0.0")
    return printed({ producer, version, encodings: [...activations, ...params].map(([name, e]) => entryOf200(name, e)) });
  const quantizer_args = argumentsOf(activations, params);
  if (version === "1.0.0")
    return printed({
      producer,
      version,
      activation_encodings: activations.map(([name, e]) => entryOf100(name, e)),
      param_encodings: params.map(([name, e]) => entryOf100(name, e)),
      quantizer_args,
    });
  return printed({
    version,
    activation_encodings: Object.fromEntries(activations.map(([name, e]) => [name, entriesOf061(e)])),
    param_encodings: Object.fromEntries(params.map(([name, e]) => [name, entriesOf061(e)])),
    quantizer_args,
  });
}

function printed(value: object): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

/** Bits of an integer type. */
function bitsOf(dtype: QuantDType): number {
  return DTYPES[dtype].bits;
}

/** Whether zero lies in the middle of the grid, so that it can be a signed type with zero point 0. */
export function isCentred({ dtype, zeroPoint }: Pick<Encoding, "dtype" | "zeroPoint">): boolean {
  const [low] = LEVELS[dtype];
  const middle = low < 0 ? 0 : 2 ** (bitsOf(dtype) - 1);
  return zeroPoint.every((z) => z === middle);
}

/** Offsets counted from the lowest integer: -zeroPoint of the unsigned type. */
function offsets({ dtype, zeroPoint }: Encoding): number[] {
  const [low] = LEVELS[dtype];
  return zeroPoint.map((z) => low - z + 0);
}

function entriesOf061(encoding: Encoding): readonly EntryOf061[] {
  const bitwidth = bitsOf(encoding.dtype);
  const top = 2 ** bitwidth - 1;
  const is_symmetric = isCentred(encoding) ? "True" : "False";
  return offsets(encoding).map((offset, c) => {
    const scale = encoding.scale[c] as number;
    return { bitwidth, dtype: "int", is_symmetric, max: (top + offset) * scale, min: offset * scale, offset, scale };
  });
}

function entryOf100(name: string, encoding: Encoding): EntryOf100 {
  return {
    name,
    bw: bitsOf(encoding.dtype),
    dtype: "INT",
    enc_type: encoding.axis === undefined ? "PER_TENSOR" : "PER_CHANNEL",
    is_sym: isCentred(encoding),
    offset: offsets(encoding),
    scale: encoding.scale,
  };
}

function entryOf200(name: string, encoding: Encoding): EntryOf200 {
  const { dtype, scale, zeroPoint, axis } = encoding;
  const plain = zeroPoint.every((z) => z === 0);
  return {
    name,
    output_dtype: dtype,
    y_scale: axis === undefined ? (scale[0] as number) : scale,
    ...(plain ? {} : { y_zero_point: axis === undefined ? (zeroPoint[0] as number) : zeroPoint }),
    ...(axis === undefined ? {} : { axis }),
  };
}

/** What older readers want to know of the whole. */
function argumentsOf(activations: readonly [string, Encoding][], params: readonly [string, Encoding][]): object {
  const widest = (entries: readonly [string, Encoding][]): number =>
    Math.max(8, ...entries.filter(([, e]) => bitsOf(e.dtype) < 32).map(([, e]) => bitsOf(e.dtype)));
  return {
    activation_bitwidth: widest(activations),
    dtype: "int",
    is_symmetric: params.every(([, e]) => isCentred(e)),
    param_bitwidth: widest(params),
    per_channel_quantization: params.some(([, e]) => e.axis !== undefined),
    quant_scheme: "post_training_tf",
  };
}
