import { type TflmArena, type TflmConv, type TflmKernels, tflmArena, tflmScratchBytes } from "@tessera/core/codegen/tflm/arena";
import { type TflmPort, tflmFiles } from "@tessera/core/codegen/tflm/bundle";
import { plannedWith, planOffline, type StepScratch } from "@tessera/core/codegen/tflm/offline";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import { microTflite } from "@tessera/core/convert/tflite/storage/micro";
import { arenaTensors, withOfflinePlan } from "@tessera/core/convert/tflite/storage/offline-plan";
import { builtinOperatorName } from "@tessera/core/formats/tflite/builtin-operators";
import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import type { TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { sha256 } from "../io/files.ts";

/** What {@link buildTflm} is given. */
export interface TflmRequest {
  readonly model: Model;
  readonly plan: QuantPlan;
  /** A C identifier. */
  readonly name: string;
  /** Kernels that the plan leaves room for. */
  readonly kernels: TflmKernels;
  /** One vector, in the file's order. */
  readonly vector: { readonly input: Uint8Array; readonly output: Uint8Array };
}

/** A bundle for TensorFlow Lite for Microcontrollers with its figures. */
export interface TflmBuilt {
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  readonly modelBytes: number;
  readonly operators: readonly string[];
  readonly arenas: Readonly<Record<TflmKernels, TflmArena>>;
  readonly plan: {
    readonly bytes: number;
    readonly lowerBoundBytes: number;
    readonly gapBytes: number;
    readonly greedyBytes: number;
  };
}

const KERNEL_SETS: readonly TflmKernels[] = ["reference", "cmsis-nn-dsp", "cmsis-nn-mve"];

/**
 * A model as a slim file with offsets for all its tensors, and the sources around it.
 *
 * @throws what `lowerTflite` and `tflmFiles` throw
 */
export function buildTflm({ model, plan, name, kernels, vector }: TflmRequest): TflmBuilt {
  const { records } = lowerTflite(model, { plan, io: "integer", slim: true, recurrent: "sequence" });
  const micro = microTflite(records);
  const tensors = arenaTensors(micro);
  const scratches = new Map(KERNEL_SETS.map((set) => [set, scratchesOf(micro, set)] as const));
  const offline = planOffline(tensors, scratches.get(kernels) ?? []);
  const bytes = writeTflite(withOfflinePlan(micro, offline.offsets), { share: true });
  const graph = micro.subgraphs?.[0] ?? {};
  const shape = {
    operators: graph.operators?.length ?? 0,
    tensors: graph.tensors?.length ?? 0,
    channels: convsOf(micro).reduce((sum, { conv }) => sum + conv.outChannels, 0),
  };
  const arenaOf = (set: TflmKernels): TflmArena =>
    tflmArena(plannedWith(tensors, offline.offsets, scratches.get(set) ?? []), shape);
  const arenas = {
    reference: arenaOf("reference"),
    "cmsis-nn-dsp": arenaOf("cmsis-nn-dsp"),
    "cmsis-nn-mve": arenaOf("cmsis-nn-mve"),
  };
  const operators = [...new Set((graph.operators ?? []).map((o) => operatorName(micro, o.opcodeIndex)))];
  const files = tflmFiles({
    name,
    model: bytes,
    sha256: sha256(bytes),
    operators,
    inputs: portsOf(micro, graph.inputs),
    outputs: portsOf(micro, graph.outputs),
    arenas,
    selfTest: {
      ...vector,
      tolerance:
        "Every byte must be the same: its kernels and CMSIS-NN's round alike unless they are built with single rounding.",
    },
  });
  return {
    files: new Map<string, string | Uint8Array>([[`${name}.tflite`, bytes], ...files]),
    modelBytes: bytes.length,
    operators,
    arenas,
    plan: {
      bytes: offline.plannedBytes,
      lowerBoundBytes: offline.lowerBoundBytes,
      gapBytes: offline.gapBytes,
      greedyBytes: offline.greedyBytes,
    },
  };
}

function operatorName(records: TfliteDraft, opcode = 0): string {
  return builtinOperatorName(records.operatorCodes?.[opcode]?.builtinCode ?? 0) ?? "CUSTOM";
}

function portsOf(records: TfliteDraft, indices: ArrayLike<number> = []): readonly TflmPort[] {
  return Array.from(indices, (index) => {
    const tensor = records.subgraphs?.[0]?.tensors?.[index];
    const scale = tensor?.quantization?.scale?.[0];
    const zeroPoint = tensor?.quantization?.zeroPoint?.[0];
    return {
      name: tensor?.name ?? "",
      dtype: TYPE_NAMES.get(tensor?.type ?? 0) ?? "?",
      shape: Array.from(tensor?.shape ?? []),
      ...(scale === undefined ? {} : { scale, zeroPoint: Number(zeroPoint ?? 0n) }),
    };
  });
}

const TYPE_NAMES = new Map(Object.entries(TENSOR_TYPES).map(([name, code]) => [code as number, name.toLowerCase()]));

function convsOf(records: TfliteDraft): readonly { readonly step: number; readonly conv: TflmConv }[] {
  const graph = records.subgraphs?.[0] ?? {};
  return (graph.operators ?? []).flatMap((operator, step) => {
    const name = operatorName(records, operator.opcodeIndex);
    if (name !== "CONV_2D" && name !== "DEPTHWISE_CONV_2D") return [];
    const [input, weights] = Array.from(operator.inputs ?? [], (i) => Array.from(graph.tensors?.[i]?.shape ?? []));
    const [outputs = 0, height = 1, width = 1, last = 0] = weights ?? [];
    const depthwise = name === "DEPTHWISE_CONV_2D";
    const options = operator.builtinOptions as { readonly strideH?: number; readonly strideW?: number } | undefined;
    const { strideH = 1, strideW = 1 } = options ?? {};
    const conv: TflmConv = {
      kind: depthwise ? "depthwise" : "conv",
      window: [height, width],
      strides: [strideH, strideW],
      inChannels: input?.[3] ?? 0,
      outChannels: depthwise ? last : outputs,
    };
    return [{ step, conv }];
  });
}

function scratchesOf(records: TfliteDraft, kernels: TflmKernels): readonly StepScratch[] {
  return convsOf(records).map(({ step, conv }) => ({ step, bytes: tflmScratchBytes(conv, kernels) }));
}
