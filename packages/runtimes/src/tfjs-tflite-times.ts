import { at } from "@tessera/core/base/assert";
import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import type { TfliteModel } from "@tessera/core/formats/tflite/schema";
import type { OperatorTime } from "@tessera/core/graph/runtime";
import { countOf } from "@tessera/core/graph/tensor";
import { median } from "./statistics.ts";
import type { ProfileSummary, SummaryRow } from "./tfjs-tflite-profile.ts";

/** What the delegate of XNNPACK is called in the tables. */
const DELEGATE = "TfLiteXNNPackDelegate";

/** Bytes of an element, for the types that operators give. */
const ELEMENT_BYTES: Readonly<Record<number, number>> = {
  [TENSOR_TYPES.FLOAT32]: 4,
  [TENSOR_TYPES.FLOAT16]: 2,
  [TENSOR_TYPES.INT32]: 4,
  [TENSOR_TYPES.UINT8]: 1,
  [TENSOR_TYPES.INT64]: 8,
  [TENSOR_TYPES.BOOL]: 1,
  [TENSOR_TYPES.INT16]: 2,
  [TENSOR_TYPES.INT8]: 1,
};

/** Whether a node is an operator of the file rather than the delegate that stands for some. */
export function isOperator({ type, node }: SummaryRow, records: TfliteModel): boolean {
  return type !== DELEGATE && node !== undefined && node < (records.subgraphs?.[0]?.operators?.length ?? 0);
}

/** Time of a row in the second of two inferences, microseconds. */
function secondUs({ averageMs, firstMs, calls }: SummaryRow): number {
  // A row that stands for several calls in one inference has but one first time: its mean has to do.
  const ms = calls === 2 ? 2 * averageMs - firstMs : (averageMs * calls) / 2;
  return Math.max(0, Math.round(ms * 1000));
}

function outputBytes(records: TfliteModel, node: number): number | undefined {
  const graph = records.subgraphs?.[0];
  let sum = 0;
  for (const index of graph?.operators?.[node]?.outputs ?? []) {
    const { shape, type = 0 } = graph?.tensors?.[index] ?? {};
    const size = ELEMENT_BYTES[type];
    if (size === undefined) return undefined;
    sum += countOf([...(shape ?? [])]) * size;
  }
  return sum > 0 ? sum : undefined;
}

/** Where in the graph a node of the table stands: the delegate is called after the first output of its part. */
function positionOf({ name, node }: SummaryRow, records: TfliteModel): number {
  const graph = records.subgraphs?.[0];
  const operators = graph?.operators ?? [];
  if (node !== undefined && node < operators.length) return node;
  return operators.findIndex(({ outputs }) => outputs?.some((index) => graph?.tensors?.[index]?.name === name));
}

/**
 * A row per operator that TensorFlow Lite's own kernels computed (`by` "builtin", called as in the file), and per call that XNNPACK made (`by`
 * "xnnpack", called after its kernels, `Convolution (NHWC, QC8) IGEMM`), in the order of the graph, all of XNNPACK where its first part
 * ends. What it spent beyond the calls is the row "XNNPACK overhead". Median over summaries, each of two inferences of which the first
 * is not counted.
 */
export function operatorTimes(summaries: readonly ProfileSummary[], records: TfliteModel): OperatorTime[] {
  const first = at(summaries, 0);
  const timeOf = (side: keyof ProfileSummary, { name, node }: SummaryRow): number =>
    // A graph with branches need not run the same nodes each time.
    median(summaries.flatMap((s) => s[side].find((row) => row.name === name && row.node === node) ?? []).map(secondUs));
  const callsOf = ({ calls }: SummaryRow): number => (calls / 2) * summaries.length;
  const inside = first.inside.map((row): OperatorTime => {
    const name = row.name.replace(/^Delegate\//, "");
    return { name, op: name.replace(/:\d+$/, ""), timeUs: timeOf("inside", row), calls: callsOf(row), by: "xnnpack" };
  });
  const delegates = first.nodes.flatMap((row) => (row.type === DELEGATE ? [timeOf("nodes", row)] : []));
  const overhead: OperatorTime = {
    name: DELEGATE,
    op: "XNNPACK overhead",
    timeUs: Math.max(0, sum(delegates) - sum(inside.map(({ timeUs }) => timeUs))),
    calls: delegates.length * summaries.length,
    by: "xnnpack",
  };
  const nodes = first.nodes.map((row) => ({ row, position: positionOf(row, records) })).sort((a, b) => a.position - b.position);
  const part = nodes.find(({ row }) => row.type === DELEGATE);
  return nodes.flatMap((node): OperatorTime[] => {
    const { row } = node;
    if (row.type === DELEGATE) return node === part ? [...inside, overhead] : [];
    const bytes = row.node === undefined ? undefined : outputBytes(records, row.node);
    const { name, type: op } = row;
    return [
      {
        name,
        op,
        timeUs: timeOf("nodes", row),
        calls: callsOf(row),
        ...(bytes !== undefined && { outputBytes: bytes }),
        by: "builtin",
      },
    ];
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
