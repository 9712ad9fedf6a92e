import type {
  DeviceConfigurationProto,
  FunctionProto,
  NodeDeviceConfigurationProto,
  StringStringEntryProto,
  TensorAnnotation,
  TrainingInfoProto,
} from "../../formats/onnx/records.ts";
import type { Int64 } from "../../formats/protobuf/table.ts";

/*
 * What ONNX records say beyond the canonical model. Raising puts it into the `carried` fields, lowering to ONNX writes it back, and nothing in
 * between looks at it.
 */

/** Remarks on one named thing of a graph. */
export interface OnnxRemarks {
  readonly docString?: string;
  readonly metadataProps?: readonly StringStringEntryProto[];
  /** Meaning of the value, such as IMAGE. */
  readonly denotation?: string;
  readonly unknown?: readonly Uint8Array[];
}

/** `Model.carried` of a model that came from ONNX. */
export interface OnnxModelCarried {
  readonly kind: "onnx";
  readonly domain?: string;
  readonly modelVersion?: Int64;
  /** Functions whose calls were left in the graph. */
  readonly functions?: readonly FunctionProto[];
  readonly trainingInfo?: readonly TrainingInfoProto[];
  readonly configuration?: readonly DeviceConfigurationProto[];
  readonly unknown?: readonly Uint8Array[];
}

/** `Graph.carried` of a graph that came from ONNX. */
export interface OnnxGraphCarried {
  readonly kind: "onnx";
  readonly quantizationAnnotation?: readonly TensorAnnotation[];
  readonly metadataProps?: readonly StringStringEntryProto[];
  readonly unknown?: readonly Uint8Array[];
  /** On inputs, outputs and inner values, by name. */
  readonly values?: ReadonlyMap<string, OnnxRemarks>;
  /** On initializers, by name. */
  readonly tensors?: ReadonlyMap<string, OnnxRemarks>;
}

/** `Node.carried` of a node that came from ONNX. */
export interface OnnxNodeCarried {
  readonly kind: "onnx";
  readonly deviceConfigurations?: readonly NodeDeviceConfigurationProto[];
  readonly unknown?: readonly Uint8Array[];
}

/** The object without its undefined fields; `undefined` when nothing but `kind` is left. */
export function packed<T extends { readonly kind: "onnx" }>(
  carried: { readonly [K in keyof T]: T[K] | undefined },
): T | undefined {
  const entries = Object.entries(carried).filter(([, value]) => value !== undefined);
  return entries.length > 1 ? (Object.fromEntries(entries) as T) : undefined;
}

/** The carried part of a model, graph or node when it came from ONNX. */
export function onnxCarried<T extends { readonly kind: "onnx" }>(carried: unknown): Partial<T> {
  const isOurs = typeof carried === "object" && carried !== null && "kind" in carried && carried.kind === "onnx";
  return isOurs ? (carried as Partial<T>) : {};
}
