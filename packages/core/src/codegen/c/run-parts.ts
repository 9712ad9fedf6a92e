import type { DeviceStep } from "../device/program.ts";
import type { ScheduleItem } from "../device/schedule.ts";
import type { EmitContext } from "./context.ts";
import { layerCall } from "./layers.ts";
import { cComment } from "./names.ts";
import type { EmittedLayer } from "./options.ts";
import { type StreamCode, type StreamItem, streamCode } from "./streams.ts";
import { macsOf } from "./sums.ts";

/** The moments of a schedule as C. */
export interface RunParts {
  /** Statements of each item, in order; a pushed stream has none. */
  readonly statements: readonly string[];
  readonly streams: ReadonlyMap<ScheduleItem, StreamCode>;
  readonly layers: readonly EmittedLayer[];
}

/** Writes every item of the schedule: calls of layers, loops over the rows of streams. */
export function runParts(context: EmitContext): RunParts {
  const statements: string[] = [];
  const streams = new Map<ScheduleItem, StreamCode>();
  const layers: EmittedLayer[] = [];
  const note = (step: DeviceStep, called: string): void => {
    layers.push({ index: layers.length, node: step.node, kind: step.kind, macs: macsOf(step), function: called });
  };
  for (const item of context.schedule.items) {
    if (item.kind === "layer") {
      const index = layers.length;
      const call = layerCall(context, item);
      note(item.step, call.slice(0, call.indexOf("(")));
      statements.push(`${comment(index, item.step)}\nTS_PROFILE(${index});\n${call}`);
      continue;
    }
    const stream = streamCode(context, item, { index: streams.size, layer: layers.length });
    streams.set(item, stream);
    const from = layers.length;
    item.stages.forEach((stage, i) => {
      note(stage.step, `${stream.name}_${i}`);
    });
    if (!item.pushed) statements.push(streamStatements(item, { stream, from }));
  }
  return { statements, streams, layers };
}

function streamStatements(item: StreamItem, { stream, from }: { readonly stream: StreamCode; readonly from: number }): string {
  const stages = item.stages.map((stage, i) => comment(from + i, stage.step));
  return [...stages, `TS_PROFILE(${from});`, `${stream.name}_all(a);`].join("\n");
}

/** A line that says what a layer is. */
export function comment(index: number, step: DeviceStep): string {
  return `/* ${index}: ${cComment(step.node)}: ${sizesOf(step)} */`;
}

function sizesOf(step: DeviceStep): string {
  switch (step.kind) {
    case "conv":
    case "depthwise":
    case "maxPool":
    case "averagePool":
      return `${step.kind} ${step.kernel.join("x")} / ${step.strides.join("x")}, ${step.height}x${step.width}x${step.channels} to ${step.outHeight}x${step.outWidth}x${step.outChannels}`;
    case "fullyConnected":
      return `dense ${step.rows}x${step.depth} to ${step.outputs}`;
    default:
      return step.kind;
  }
}
