import { fail } from "../../../base/error.ts";
import type { Draft } from "../../../formats/flatbuffer/table.ts";
import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { TENSOR_TYPES, type TensorTypeName } from "../../../formats/tflite/enums.ts";
import { makeOperatorCode } from "../../../formats/tflite/operator-code.ts";
import type { Operator, OperatorCode, TfliteDraft } from "../../../formats/tflite/schema.ts";
import type { Tensor as TensorRecord } from "../../../formats/tflite/tensor-tables.ts";
import type { DType } from "../../../graph/dtype.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { operatorVersion } from "../versions.ts";
import type { OperatorDraft } from "./row.ts";

/** Element types by what the model calls them. */
export const TFLITE_DTYPES = {
  float32: "FLOAT32",
  float16: "FLOAT16",
  float64: "FLOAT64",
  int8: "INT8",
  uint8: "UINT8",
  int16: "INT16",
  uint16: "UINT16",
  int32: "INT32",
  uint32: "UINT32",
  int64: "INT64",
  uint64: "UINT64",
  bool: "BOOL",
  int4: "INT4",
  uint4: "UINT4",
  bfloat16: "BFLOAT16",
} as const satisfies Partial<Record<DType, TensorTypeName>>;

/** Element types that a TFLite file has. */
export type TfliteDType = keyof typeof TFLITE_DTYPES;

/** A tensor of the file under construction. */
export interface TensorRef {
  readonly index: number;
  readonly name: string;
  readonly dtype: TfliteDType;
  /** Physical sizes. */
  readonly shape: readonly number[];
  /** Scales and zero points; `axis` is a physical position. */
  readonly encoding: Encoding | undefined;
  /** The bytes of a constant, in physical order. */
  readonly data: Uint8Array | undefined;
}

/** A tensor to be added. */
export interface NewTensor {
  /** A name like this. */
  readonly name: string;
  readonly dtype: TfliteDType;
  readonly shape: readonly number[];
  readonly encoding?: Encoding | undefined;
  readonly data?: Uint8Array | undefined;
  readonly isVariable?: boolean;
}

/** Whether a model element type exists in TFLite. */
export function isTfliteDType(dtype: DType): dtype is TfliteDType {
  return Object.hasOwn(TFLITE_DTYPES, dtype);
}

/** The lists of a TFLite file while it is made: one subgraph, tensors with unique names, buffers and operator codes without duplicates. */
export class TfliteBuilder {
  private readonly tensors: Draft<TensorRecord>[] = [];
  private readonly names = new Set<string>();
  private readonly buffers: Uint8Array[] = [new Uint8Array(0)];
  private readonly bufferByHash = new Map<string, number[]>();
  private readonly codes: Draft<OperatorCode>[] = [];
  private readonly codeIndex = new Map<string, number>();
  private readonly operators: Draft<Operator>[] = [];
  private readonly counts = new Map<string, number>();

  /** `reserved` names are given only to tensors added with {@link TfliteBuilder.addNamed}. */
  constructor(reserved: Iterable<string> = []) {
    for (const name of reserved) this.names.add(name);
  }

  /** Adds a tensor under a fresh name like `tensor.name`. */
  add(tensor: NewTensor): TensorRef {
    let { name } = tensor;
    for (let i = 1; name === "" || this.names.has(name); i++) name = `${tensor.name || "tensor"}_${i}`;
    this.names.add(name);
    return this.addNamed({ ...tensor, name });
  }

  /** Adds a tensor under exactly this name, which the caller reserved. */
  addNamed(tensor: NewTensor): TensorRef {
    const { name, dtype, shape, encoding, data } = tensor;
    const index = this.tensors.length;
    this.tensors.push({
      name,
      shape: Int32Array.from(shape),
      type: TENSOR_TYPES[TFLITE_DTYPES[dtype]],
      buffer: data === undefined ? 0 : this.bufferOf(data),
      hasRank: true,
      ...(tensor.isVariable === true && { isVariable: true }),
      ...(encoding !== undefined && {
        quantization: {
          scale: Float32Array.from(encoding.scale),
          zeroPoint: BigInt64Array.from(encoding.zeroPoint, BigInt),
          quantizedDimension: encoding.axis ?? 0,
        },
      }),
    });
    return { index, name, dtype, shape, encoding, data };
  }

  /** Appends an operator. Its version follows from its name, tensors and options. */
  operator(op: BuiltinOperator, draft: OperatorDraft): void {
    const { inputs, outputs, options, intermediates } = draft;
    const recordOf = (t: TensorRef | undefined): Draft<TensorRecord> | undefined => t && this.tensors[t.index];
    const version = operatorVersion(op, { inputs: inputs.map(recordOf), outputs: outputs.map(recordOf), options });
    const key = `${op}@${version}`;
    let opcodeIndex = this.codeIndex.get(key);
    if (opcodeIndex === undefined) {
      opcodeIndex = this.codes.length;
      this.codes.push(makeOperatorCode(op, version));
      this.codeIndex.set(key, opcodeIndex);
    }
    this.operators.push({
      opcodeIndex,
      inputs: Int32Array.from(inputs, (t) => t?.index ?? -1),
      outputs: Int32Array.from(outputs, (t) => t.index),
      ...(options !== undefined && { builtinOptions: options }),
      ...(intermediates !== undefined && { intermediates: Int32Array.from(intermediates, (t) => t.index) }),
    });
    this.counts.set(op, (this.counts.get(op) ?? 0) + 1);
  }

  /** Number of operators by name, in the order of their first use. */
  operatorCounts(): ReadonlyMap<string, number> {
    return this.counts;
  }

  private bufferOf(data: Uint8Array): number {
    if (data.length === 0) {
      // Buffer 0 says "no data"; a constant without elements needs one of its own.
      this.buffers.push(data);
      return this.buffers.length - 1;
    }
    const key = `${data.length}:${hashOf(data)}`;
    const known = this.bufferByHash.get(key) ?? [];
    const found = known.find((i) => sameBytes(this.buffers[i] as Uint8Array, data));
    if (found !== undefined) return found;
    this.buffers.push(data);
    this.bufferByHash.set(key, [...known, this.buffers.length - 1]);
    return this.buffers.length - 1;
  }

  /** The file: one subgraph with a signature "serving_default" that calls inputs and outputs by the names given here. */
  finish(io: {
    readonly inputs: readonly { readonly name: string; readonly tensor: TensorRef }[];
    readonly outputs: readonly { readonly name: string; readonly tensor: TensorRef }[];
    readonly description: string;
  }): TfliteDraft {
    if (io.outputs.length === 0) throw fail("GRAPH_INVALID", "Cannot write a TFLite file: the graph has no outputs");
    const map = (list: typeof io.inputs): { name: string; tensorIndex: number }[] =>
      list.map(({ name, tensor }) => ({ name, tensorIndex: tensor.index }));
    return {
      version: 3,
      description: io.description,
      operatorCodes: this.codes,
      subgraphs: [
        {
          name: "main",
          tensors: this.tensors,
          inputs: Int32Array.from(io.inputs, (i) => i.tensor.index),
          outputs: Int32Array.from(io.outputs, (o) => o.tensor.index),
          operators: this.operators,
        },
      ],
      buffers: this.buffers.map((data) => (data.length === 0 ? {} : { data })),
      signatureDefs: [{ signatureKey: "serving_default", subgraphIndex: 0, inputs: map(io.inputs), outputs: map(io.outputs) }],
    };
  }
}

/** FNV-1a over the bytes: equal bytes are then compared. */
function hashOf(data: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < data.length; i++) hash = Math.imul(hash ^ (data[i] as number), 0x01000193);
  return hash >>> 0;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
