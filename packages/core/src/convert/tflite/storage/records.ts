import type { Draft } from "../../../formats/flatbuffer/table.ts";
import { type BuiltinOperator, builtinOperatorName } from "../../../formats/tflite/builtin-operators.ts";
import { makeOperatorCode } from "../../../formats/tflite/operator-code.ts";
import type { Operator, OperatorCode, SubGraph, TfliteDraft } from "../../../formats/tflite/schema.ts";
import type { Tensor } from "../../../formats/tflite/tensor-tables.ts";
import { operatorVersion } from "../versions.ts";

/** A tensor of a file to be written. */
export type TensorDraft = Draft<Tensor>;

/** An operator of a file to be written. */
export type OperatorDraftRecord = Draft<Operator>;

/** A file whose one subgraph is taken apart, to be changed and put together again. */
export interface OpenFile {
  readonly graph: Draft<SubGraph>;
  readonly tensors: TensorDraft[];
  readonly operators: OperatorDraftRecord[];
  readonly buffers: { readonly data?: Uint8Array }[];
  /** Built-in operator of a code; `undefined` for custom ones. */
  readonly nameOf: (operator: OperatorDraftRecord) => BuiltinOperator | undefined;
}

/** Copies the lists of the first subgraph. */
export function openFile(records: TfliteDraft): OpenFile {
  const [graph = {}] = records.subgraphs ?? [];
  return {
    graph,
    tensors: [...(graph.tensors ?? [])],
    operators: [...(graph.operators ?? [])],
    buffers: (records.buffers ?? [{}]).map((b) => (b.data === undefined ? {} : { data: b.data })),
    nameOf: (operator) => {
      const name = builtinOperatorName(records.operatorCodes?.[operator.opcodeIndex ?? 0]?.builtinCode ?? 0);
      return name === "CUSTOM" ? undefined : name;
    },
  };
}

/** The data of a constant tensor. */
export function dataOf(file: OpenFile, tensor: TensorDraft | undefined): Uint8Array | undefined {
  const data = tensor?.buffer ? file.buffers[tensor.buffer]?.data : undefined;
  return data !== undefined && data.length > 0 ? data : undefined;
}

/**
 * Puts the lists into the file again. Operators are given by name; their versions follow from the tensors as they are now. Buffers that no tensor uses
 * are left out.
 */
export function closeFile(
  records: TfliteDraft,
  file: OpenFile,
  operators: readonly { readonly name: BuiltinOperator; readonly record: OperatorDraftRecord }[],
): TfliteDraft {
  const codes: Draft<OperatorCode>[] = [];
  const known = new Map<string, number>();
  const tensorAt = (index: number): TensorDraft | undefined => (index < 0 ? undefined : file.tensors[index]);
  const numbered = operators.map(({ name, record }): OperatorDraftRecord => {
    const version = operatorVersion(name, {
      inputs: Array.from(record.inputs ?? [], tensorAt),
      outputs: Array.from(record.outputs ?? [], tensorAt),
      ...(record.builtinOptions !== undefined && { options: record.builtinOptions }),
    });
    const key = `${name}@${version}`;
    let opcodeIndex = known.get(key);
    if (opcodeIndex === undefined) {
      opcodeIndex = codes.length;
      codes.push(makeOperatorCode(name, version));
      known.set(key, opcodeIndex);
    }
    return { ...record, opcodeIndex };
  });
  const used = new Set<number>([0]);
  for (const tensor of file.tensors) used.add(tensor.buffer ?? 0);
  for (const metadata of records.metadata ?? []) used.add(metadata.buffer ?? 0);
  const place = new Map<number, number>();
  const buffers = file.buffers.filter((_, i) => {
    if (!used.has(i)) return false;
    place.set(i, place.size);
    return true;
  });
  const tensors = file.tensors.map((t) => (t.buffer ? { ...t, buffer: place.get(t.buffer) ?? 0 } : t));
  return {
    ...records,
    operatorCodes: codes,
    buffers,
    ...(records.metadata && { metadata: records.metadata.map((m) => ({ ...m, buffer: place.get(m.buffer ?? 0) ?? 0 })) }),
    subgraphs: [{ ...file.graph, tensors, operators: numbered }],
  };
}

/** The operators of a file by name, as {@link closeFile} takes them. @throws nothing: files made here have built-in operators only */
export function namedOperators(file: OpenFile): { readonly name: BuiltinOperator; readonly record: OperatorDraftRecord }[] {
  return file.operators.flatMap((record) => {
    const name = file.nameOf(record);
    return name === undefined ? [] : [{ name, record }];
  });
}

/** How often each operator stands in a file. */
export function countOperators(records: TfliteDraft): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of namedOperators(openFile(records))) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
