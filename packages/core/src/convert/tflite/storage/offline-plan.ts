import { fail } from "../../../base/error.ts";
import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import type { TfliteDraft } from "../../../formats/tflite/schema.ts";
import type { TensorDraft } from "./records.ts";

/** A tensor that lies in the arena while an inference runs. Steps are operators in file order. */
export interface ArenaTensor {
  readonly index: number;
  readonly bytes: number;
  /** Step that writes it; 0 for inputs. */
  readonly first: number;
  /** Last step that reads it; the last step of all for outputs. */
  readonly last: number;
}

/** Name of the metadata that TensorFlow Lite for Microcontrollers reads offsets from. */
export const OFFLINE_PLAN = "OfflineMemoryAllocation";

const BYTES_OF = new Map<number, number>([
  [TENSOR_TYPES.FLOAT32, 4],
  [TENSOR_TYPES.INT32, 4],
  [TENSOR_TYPES.UINT32, 4],
  [TENSOR_TYPES.INT64, 8],
  [TENSOR_TYPES.INT16, 2],
  [TENSOR_TYPES.FLOAT16, 2],
  [TENSOR_TYPES.INT8, 1],
  [TENSOR_TYPES.UINT8, 1],
  [TENSOR_TYPES.BOOL, 1],
]);

/**
 * The tensors of the first subgraph that need memory, in order: not constants, and not variables, whose state lives on from call to call elsewhere.
 *
 * @throws UNSUPPORTED_OP for a tensor of a type without a fixed size (strings)
 */
export function arenaTensors({ subgraphs, buffers }: TfliteDraft): readonly ArenaTensor[] {
  const [graph = {}] = subgraphs ?? [];
  const operators = graph.operators ?? [];
  const end = Math.max(0, operators.length - 1);
  const lives = new Map<number, [first: number, last: number]>();
  const touch = (index: number, step: number): void => {
    if (index < 0) return;
    const life = lives.get(index);
    if (life === undefined) lives.set(index, [step, step]);
    else life[1] = Math.max(life[1], step);
  };
  for (const index of graph.inputs ?? []) touch(index, 0);
  operators.forEach((operator, step) => {
    for (const index of [...(operator.outputs ?? []), ...(operator.inputs ?? [])]) touch(index, step);
  });
  for (const index of graph.outputs ?? []) touch(index, end);
  const tensors = graph.tensors ?? [];
  return [...lives]
    .filter(([index]) => {
      const tensor = tensors[index];
      return !tensor?.isVariable && (buffers?.[tensor?.buffer ?? 0]?.data?.length ?? 0) === 0;
    })
    .map(([index, [first, last]]) => ({ index, bytes: bytesOf(tensors[index], index), first, last }))
    .sort((a, b) => a.index - b.index);
}

function bytesOf(tensor: TensorDraft | undefined, index: number): number {
  const size = BYTES_OF.get(tensor?.type ?? TENSOR_TYPES.FLOAT32);
  if (size === undefined) throw fail("UNSUPPORTED_OP", `Cannot plan memory for tensor ${index}: its type has no fixed size`);
  return Array.from(tensor?.shape ?? []).reduce((product, n) => product * n, size);
}

/**
 * A file that says where each tensor lies in the arena, as metadata: int32 numbers for the version of the format (1), the subgraph (0), how many
 * offsets follow, and an offset for each tensor, -1 where the runtime chooses. Other runtimes do not read it. Source: TensorFlow Lite for
 * Microcontrollers, documentation of its offline memory planning.
 *
 * @param offsets bytes from the start of the arena by tensor, each a multiple of 16
 * @throws USAGE for an offset that is negative or no multiple of 16
 */
export function withOfflinePlan(records: TfliteDraft, offsets: ReadonlyMap<number, number>): TfliteDraft {
  const count = records.subgraphs?.[0]?.tensors?.length ?? 0;
  const words = new DataView(new ArrayBuffer(4 * (3 + count)));
  const put = (at: number, value: number): void => words.setInt32(4 * at, value, true);
  put(0, 1);
  put(1, 0);
  put(2, count);
  for (let tensor = 0; tensor < count; tensor++) {
    const offset = offsets.get(tensor);
    if (offset !== undefined && (offset < 0 || offset % 16 !== 0))
      throw fail("USAGE", `Cannot place tensor ${tensor} at ${offset}: offsets are multiples of 16, not negative`);
    put(3 + tensor, offset ?? -1);
  }
  const metadata = (records.metadata ?? []).filter(({ name }) => name !== OFFLINE_PLAN);
  const buffers = [...(records.buffers ?? [{}]), { data: new Uint8Array(words.buffer) }];
  return { ...records, buffers, metadata: [...metadata, { name: OFFLINE_PLAN, buffer: buffers.length - 1 }] };
}
