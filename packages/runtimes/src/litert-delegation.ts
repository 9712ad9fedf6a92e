import type { Operator, SubGraph, TfliteDraft, TfliteModel } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { loadLitert } from "./litert-engine.ts";
import { startLitert } from "./litert-module.ts";
import { operatorsOf, type PlacedOperator, type TfliteDelegation } from "./tfjs-tflite-delegation.ts";
import { tfliteIo } from "./tflite-io.ts";
import { makeGuard } from "./wasm-guard.ts";

/** Operators whose output is a constant where their input is one: they are part of the weights, not of the work. */
const WEIGHT_OPERATORS: ReadonlySet<string> = new Set(["DEQUANTIZE", "DENSIFY"]);

/** Which operators of a file LiteRT's XNNPACK takes. */
export interface LitertDelegation extends TfliteDelegation {
  /** Whether XNNPACK takes the file as a whole, all of it. */
  readonly whole: boolean;
  /** Operators that LiteRT does not load on their own, with its words. */
  readonly refused: readonly (PlacedOperator & { readonly why: string })[];
}

/** The operators that make the weights of this one, then itself. */
function withWeights(graph: SubGraph, index: number, makers: ReadonlyMap<number, number>): number[] {
  const inputs = graph.operators?.[index]?.inputs ?? [];
  return [...Array.from(inputs).flatMap((tensor) => makers.get(tensor) ?? []), index];
}

/** A file of a few operators of subgraph 0 with what they need. The last one's outputs are those of the file. */
function cutOut(records: TfliteModel, chosen: readonly number[]): Uint8Array {
  const graph = records.subgraphs?.[0] as SubGraph;
  const operators = chosen.map((i) => graph.operators?.[i] as Operator);
  const made = new Set(operators.flatMap(({ outputs }) => [...(outputs ?? [])]));
  const used = [...new Set(operators.flatMap(({ inputs, outputs }) => [...(inputs ?? []), ...(outputs ?? [])]))].filter(
    (i) => i >= 0,
  );
  const placeOf = new Map(used.map((tensor, place) => [tensor, place]));
  const placed = (list: Int32Array | undefined): Int32Array => Int32Array.from(list ?? [], (i) => placeOf.get(i) ?? -1);
  const hasData = (tensor: number): boolean => Boolean(records.buffers?.[graph.tensors?.[tensor]?.buffer ?? 0]?.data?.length);
  const buffers: NonNullable<TfliteDraft["buffers"]>[number][] = [{}];
  const tensors = used.map((i) => {
    const tensor = graph.tensors?.[i];
    if (!hasData(i)) return { ...tensor, buffer: 0 };
    buffers.push(records.buffers?.[tensor?.buffer ?? 0] ?? {});
    return { ...tensor, buffer: buffers.length - 1 };
  });
  return writeTflite({
    operatorCodes: records.operatorCodes ?? [],
    subgraphs: [
      {
        tensors,
        inputs: placed(Int32Array.from(used.filter((i) => !made.has(i) && !hasData(i) && !graph.tensors?.[i]?.isVariable))),
        outputs: placed(operators.at(-1)?.outputs),
        operators: operators.map((operator) => ({
          ...operator,
          inputs: placed(operator.inputs),
          outputs: placed(operator.outputs),
        })),
      },
    ],
    buffers,
  });
}

/**
 * Asks LiteRT which operators of a file its XNNPACK computes. LiteRT tells that only of a file as a whole, so that each operator is asked about in
 * a file of its own, with its weights. An operator may still fall back in company: XNNPACK takes no part whose sizes are open.
 * @throws RUNTIME_FAILED with LiteRT's words for the file as a whole, RUNTIME_MISSING; what the reader throws
 */
export async function litertDelegation(bytes: Uint8Array): Promise<LitertDelegation> {
  const { records } = tfliteIo(bytes);
  const { wasm, takeLog } = await startLitert({ options: {} });
  const guard = makeGuard(takeLog);
  const takes = (file: Uint8Array): Promise<boolean> =>
    guard.run("see which operators XNNPACK takes", async () => {
      const { free, accelerated } = await loadLitert(wasm, { bytes: file, io: tfliteIo(file), threads: 1 });
      free();
      return accelerated;
    });
  const whole = await takes(bytes);
  const graph = records.subgraphs?.[0];
  const all = operatorsOf(records);
  const makers = new Map<number, number>();
  for (const { op, index } of all) {
    const { inputs, outputs } = graph?.operators?.[index] ?? {};
    const constant = records.buffers?.[graph?.tensors?.[inputs?.[0] ?? -1]?.buffer ?? 0]?.data?.length;
    if (WEIGHT_OPERATORS.has(op) && constant && outputs?.[0] !== undefined) makers.set(outputs[0], index);
  }
  const weights = new Set(makers.values());
  const [delegated, fallback, refused]: [PlacedOperator[], PlacedOperator[], (PlacedOperator & { why: string })[]] = [[], [], []];
  for (const operator of all) {
    if (!graph || weights.has(operator.index)) continue;
    try {
      const taken = await takes(cutOut(records, withWeights(graph, operator.index, makers)));
      (taken ? delegated : fallback).push(operator);
    } catch (error) {
      refused.push({ ...operator, why: error instanceof Error ? error.message : String(error) });
    }
  }
  return { whole, delegated, fallback, refused };
}
