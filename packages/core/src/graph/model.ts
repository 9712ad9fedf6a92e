import type { Shape } from "./dim.ts";
import type { DType } from "./dtype.ts";
import type { Tensor } from "./tensor.ts";

/** The opset whose semantics every node of a {@link Model} has. Operators that came later keep their own first meaning. */
export const CANONICAL_OPSET = 21;

/** A tensor type: element type, and shape as far as it is known (`undefined`: not even the rank). */
export interface TensorType {
  readonly kind: "tensor";
  readonly dtype: DType;
  readonly shape: Shape | undefined;
}

/** A type that Tessera carries through without reasoning about it (sequence, map, optional, sparse, or simply unknown). */
export interface OpaqueType {
  readonly kind: "opaque";
  /** The format's own record, given back to the writer of the same format. */
  readonly record: unknown;
}

/** The type of a value. */
export type ValueType = TensorType | OpaqueType;

/** A named graph input or output. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ValueType;
  readonly doc?: string;
}

/** One attribute of a node. 64-bit integers are numbers while |v| <= 2^53 and bigints beyond. Floats hold float32 values. */
export type Attribute =
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "ints"; readonly value: readonly (number | bigint)[] }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: Tensor }
  | { readonly kind: "tensors"; readonly value: readonly Tensor[] }
  | { readonly kind: "graph"; readonly value: Graph }
  | { readonly kind: "graphs"; readonly value: readonly Graph[] }
  /** Sparse tensors, types, references inside functions, raw byte strings: carried through. */
  | { readonly kind: "opaque"; readonly record: unknown };

/** Attributes by name. A Map, because names come from files. */
export type Attributes = ReadonlyMap<string, Attribute>;

/**
 * One operator application. `op` and `domain` ("" for the ONNX standard) name the operator; an input "" is an absent optional one, and so is an
 * output "". Names of nodes are unique within a graph after reading.
 */
export interface Node {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
  readonly doc?: string;
  /** Free text by key, carried through (ONNX metadata_props). */
  readonly metadata?: ReadonlyMap<string, string>;
  /** ONNX function overload, when a model-local function is called. */
  readonly overload?: string;
  /** Fields of the source format that Tessera does not interpret. */
  readonly carried?: unknown;
}

/**
 * A graph. Nodes stand in topological order. Every value has one producer: a graph input, a constant or one node output; nodes of a subgraph may
 * also read values of the graphs around it. A name that is both input and constant (ONNX IR 3 default values) is in both lists.
 */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly Node[];
  /** Initializers by name. Insertion order is the file's order. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Known types of inner values, by name: declared by the file or inferred. May be incomplete. */
  readonly types: ReadonlyMap<string, ValueType>;
  readonly doc?: string;
  readonly carried?: unknown;
}

/** The canonical model: ONNX operators at {@link CANONICAL_OPSET}, NCHW, float graph; knows nothing of files. */
export interface Model {
  readonly kind: "model";
  readonly graph: Graph;
  /** Versions of operator domains other than "" that the graph uses, e.g. com.microsoft -> 1. */
  readonly domains: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly producer: { readonly name: string; readonly version: string };
  readonly doc?: string;
  /** Where it came from: format and the version it had there; used by reports only. */
  readonly source?: {
    readonly format: "onnx" | "tflite" | "built";
    readonly opset?: number;
    readonly irVersion?: number;
    /** Nodes of the file as it stood, subgraphs included and Constant nodes counted. */
    readonly nodes?: number;
  };
  /** Records of the source format that Tessera does not interpret (functions, training info, unknown fields). */
  readonly carried?: unknown;
}

/** A tensor type. */
export function tensorType(dtype: DType, shape: Shape | undefined): TensorType {
  return { kind: "tensor", dtype, shape };
}
