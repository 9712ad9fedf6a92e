import { builtinOperatorName } from "@tessera/core/formats/tflite/builtin-operators";
import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import type { TfliteModel } from "@tessera/core/formats/tflite/schema";
import { startTfjs } from "./tfjs-tflite-module.ts";
import { parseSummary } from "./tfjs-tflite-profile.ts";
import { inferTfjs, loadTfjs } from "./tfjs-tflite-run.ts";
import { isOperator } from "./tfjs-tflite-times.ts";
import { tfliteIo } from "./tflite-io.ts";
import { makeGuard } from "./wasm-guard.ts";

/** An operator of subgraph 0. */
export interface PlacedOperator {
  /** Index in the graph. */
  readonly index: number;
  /** "CONV_2D"; the name of a custom operator. */
  readonly op: string;
  /** Name of its first output. */
  readonly output: string;
  /** Element type of its first output as the file calls it, "INT8". */
  readonly type: string;
}

/** Which operators XNNPACK took. */
export interface TfliteDelegation {
  readonly delegated: readonly PlacedOperator[];
  /** Those that TensorFlow Lite's own kernels compute, mostly slower. */
  readonly fallback: readonly PlacedOperator[];
}

/** The operators of subgraph 0, in order. */
export function operatorsOf(records: TfliteModel): PlacedOperator[] {
  const graph = records.subgraphs?.[0];
  return (graph?.operators ?? []).map(({ opcodeIndex, outputs }, index) => {
    const { builtinCode = 0, customCode } = records.operatorCodes?.[opcodeIndex] ?? {};
    const { name = "", type } = graph?.tensors?.[outputs?.[0] ?? -1] ?? {};
    const typeName = Object.entries(TENSOR_TYPES).find(([, code]) => code === type)?.[0] ?? String(type);
    return { index, op: customCode ?? builtinOperatorName(builtinCode) ?? String(builtinCode), output: name, type: typeName };
  });
}

/**
 * Asks the TensorFlow Lite inside tfjs-tflite (of 2023, with its XNNPACK in WebAssembly) which operators of a file XNNPACK computes: it runs
 * the file once, on zeros, and reads its profile. Newer runtimes may take more, older ones less.
 * @throws RUNTIME_FAILED with the runtime's words, RUNTIME_MISSING; what the reader throws
 */
export async function tfliteDelegation(bytes: Uint8Array): Promise<TfliteDelegation> {
  const { records } = tfliteIo(bytes);
  const { wasm, takeLog } = await startTfjs();
  return makeGuard(takeLog).run("see which operators XNNPACK takes", async () => {
    const { runner, free } = loadTfjs(wasm, bytes, { profiling: 1 << 16 });
    inferTfjs(runner);
    const { nodes } = parseSummary(runner.GetProfilingSummary());
    free();
    const left = new Set(nodes.filter((row) => isOperator(row, records)).map(({ node }) => node));
    const all = operatorsOf(records);
    return { delegated: all.filter(({ index }) => !left.has(index)), fallback: all.filter(({ index }) => left.has(index)) };
  });
}
