import { fail } from "../../base/error.ts";
import type { DeviceStep } from "../device/program.ts";
import type { RowTarget, ScheduleItem, StreamStage } from "../device/schedule.ts";
import { isPointwise } from "../device/schedule-rows.ts";
import { blockAt, callOf, type EmitContext, type StepCode, scratchAt, valueAt } from "./context.ts";
import { checkTypes } from "./layers.ts";
import { plainRow, queuePlace, ringPlace } from "./stream-rows.ts";
import {
  extentOf,
  fillLine,
  hasHalo,
  needsFill,
  ringPitch,
  rowLines,
  type WindowStep,
  windowCall,
  windowParameters,
} from "./windows.ts";

/** A stream as the schedule has it. */
export type StreamItem = Extract<ScheduleItem, { readonly kind: "stream" }>;

/** C of a stream: one function for each stage, one that begins, one that takes a row. */
export interface StreamCode {
  /** What the stream's functions begin with; stage i is `${name}_${i}`, the whole of it `${name}_all(a)` unless its rows are pushed. */
  readonly name: string;
  /** Static functions, callees first. */
  readonly functions: string;
  /** Begins: fills rings and clears counts; called with the arena and the counts. */
  readonly begin: string;
  /** Takes one row: called with the arena, the counts and the row. */
  readonly take: string;
  /** Entries of the array of counts: two for each stage. */
  readonly stages: number;
  readonly rows: number;
  readonly rowBytes: number;
}

/** Which function of a stream, and which number the layer has in TS_PROFILE. */
interface Site {
  readonly item: StreamItem;
  /** Prefix of the stream's functions. */
  readonly name: string;
  /** Number of the first stage's layer. */
  readonly layer: number;
}

/** Type of a stage's counts: rows of input that have come, rows of output that were made. */
export const COUNTS = "ts_counts";

/**
 * Writes a stream. Stage functions take one row each and hand every row that they make to the next stage's function, so that calls are as deep as the
 * stream is long and nothing recurs.
 */
export function streamCode(
  context: EmitContext,
  item: StreamItem,
  options: { readonly index: number; readonly layer: number },
): StreamCode {
  const site: Site = { item, name: `${context.prefix}_t${options.index}`, layer: options.layer };
  const stages = item.stages;
  const [first] = stages as readonly [StreamStage];
  const texts: string[] = [];
  for (let i = stages.length - 1; i >= 0; i--) texts.push(stageFunction(context, site, i));
  texts.push(beginFunction(context, site), takeFunction(context, site));
  if (!item.pushed) texts.push(allFunction(context, site));
  return {
    name: site.name,
    functions: texts.join("\n"),
    begin: `${site.name}_begin`,
    take: `${site.name}_take`,
    stages: stages.length,
    rows: first.inRows,
    rowBytes: first.inRowBytes,
  };
}

function asWindow(step: DeviceStep): WindowStep | undefined {
  const isWindow = step.kind === "conv" || step.kind === "depthwise" || step.kind === "maxPool" || step.kind === "averagePool";
  return isWindow && !isPointwise(step) ? (step as WindowStep) : undefined;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function functionText(head: string, body: readonly string[]): string {
  return `static void ${head}\n{\n${indented(body).join("\n")}\n}\n`;
}

/** The function of stage i: a row has come (`in` counts it already when the body begins). */
function stageFunction(context: EmitContext, site: Site, i: number): string {
  const stage = site.item.stages[i] as StreamStage;
  checkTypes(context, stage.step);
  const window = asWindow(stage.step);
  const takesRow = stage.ring === undefined;
  const profile = `TS_PROFILE(${site.layer + i});`;
  const made = madeLines(context, site, { i, out: window === undefined ? "r" : "out", profile });
  const body =
    window === undefined ? plainBody(context, stage, { i, made }) : windowBody(context, { stage, step: window, i, made });
  const head = `${site.name}_${i}(int8_t *a, ${COUNTS} *s${takesRow ? ", const int8_t *row" : ""})`;
  return functionText(head, [profile, ...body]);
}

/** A stage without a window: each row that comes makes one. */
function plainBody(
  context: EmitContext,
  stage: StreamStage,
  { i, made }: { readonly i: number; readonly made: (compute: StepCode) => string[] },
): string[] {
  return [`const int r = s[${i}].in;`, `s[${i}].in = (uint16_t)(r + 1);`, ...made(plainRow(context, stage))];
}

/** A stage with a window: makes all rows that can be made. */
function windowBody(
  context: EmitContext,
  {
    stage,
    step,
    i,
    made,
  }: {
    readonly stage: StreamStage;
    readonly step: WindowStep;
    readonly i: number;
    readonly made: (compute: StepCode) => string[];
  },
): string[] {
  const { ring } = stage;
  const stride = step.strides[0];
  const extent = extentOf(step);
  const constants = windowParameters(context, step, scratchAt(context, stage.scratch));
  if (ring === undefined)
    throw fail("PLAN_INVALID", "Cannot write C: a window in a stream has no ring", { at: { node: step.node } });
  const at = `ring + (v % ${ring.rows}) * ${ringPitch(ring)}`;
  const isPadded = hasHalo(step);
  const compute: StepCode = {
    word: "row",
    parameters: [["const int8_t *ring", blockAt(context, ring.block)], ["int out", "out"], ...constants, ["int8_t *y", ""]],
    body: [...rowLines(step, ring, "out"), windowCall(context, step, { valid: "valid", y: "y" })],
  };
  return [
    ...(isPadded ? [`int8_t *const ring = ${blockAt(context, ring.block)};`] : []),
    `const int in = s[${i}].in + 1;`,
    `${isPadded ? "" : "const "}int v = in + ${step.pads[0]};`,
    `int out = s[${i}].out;`,
    `s[${i}].in = (uint16_t)in;`,
    `for (; out < ${step.outHeight} && (v >= out * ${stride} + ${extent} || in == ${step.height}); out++) {`,
    ...indented([
      ...(isPadded ? [`for (; v < out * ${stride} + ${extent}; v++)`, `  ${fillLine(step, ring, { at, rows: 1 })}`] : []),
      ...made(compute),
    ]),
    "}",
    `s[${i}].out = (uint16_t)out;`,
  ];
}

/** Computes a row into its first target, copies it to the others, hands it on. */
function madeLines(
  context: EmitContext,
  site: Site,
  { i, out, profile }: { readonly i: number; readonly out: string; readonly profile: string },
): (compute: StepCode) => string[] {
  const { stages } = site.item;
  const stage = stages[i] as StreamStage;
  const next = stages[i + 1];
  const [first, ...others] = stage.to.map((target) => targetAt(context, site, { i, target, row: out }));
  if (first === undefined)
    throw fail("PLAN_INVALID", "Cannot write C: a stage's rows go nowhere", { at: { node: stage.step.node } });
  const handOn = next === undefined ? [] : [`${site.name}_${i + 1}(a, s${next.ring === undefined ? ", y" : ""});`, profile];
  return (compute) => {
    const parameters = compute.parameters.map(([declaration, argument]) =>
      declaration === "int8_t *y" ? ([declaration, "y"] as const) : ([declaration, argument] as const),
    );
    return [
      `int8_t *const y = ${first};`,
      callOf(context, { ...compute, parameters }, stage.step.node),
      ...others.map((target) => `memcpy(${target}, y, ${stage.outRowBytes});`),
      ...handOn,
    ];
  };
}

/** Where row `row` (a C expression) of stage i goes. */
function targetAt(
  context: EmitContext,
  { item }: Site,
  { i, target, row }: { readonly i: number; readonly target: RowTarget; readonly row: string },
): string {
  const stage = item.stages[i] as StreamStage;
  switch (target.kind) {
    case "value":
      return `${valueAt(context, stage.step.output)} + ${row} * ${stage.outRowBytes}`;
    case "ring":
      return ringPlace(context, item.stages[i + 1], row);
    case "row":
      return blockAt(context, stage.row ?? "");
    case "queue":
      return queuePlace(context, item.stages[target.stage], row);
  }
}

/** Rings get the zero point, counts 0. */
function beginFunction(context: EmitContext, { item, name }: Site): string {
  const fills = item.stages.flatMap((stage): string[] => {
    const window = asWindow(stage.step);
    if (window === undefined || stage.ring === undefined || !needsFill(window, stage.ring)) return [];
    return [fillLine(window, stage.ring, { at: blockAt(context, stage.ring.block), rows: stage.ring.rows })];
  });
  const body = [`memset(s, 0, ${item.stages.length} * sizeof *s);`, ...(fills.length === 0 ? ["(void)a;"] : fills)];
  return functionText(`${name}_begin(int8_t *a, ${COUNTS} *s)`, body);
}

/** One row of the stream's input. */
function takeFunction(context: EmitContext, site: Site): string {
  const { item, name } = site;
  const [first] = item.stages as readonly [StreamStage];
  const queues = item.stages.filter((stage) => stage.queue?.from === -1);
  const toRing = first.ring === undefined ? [] : [`memcpy(${ringPlace(context, first, "r")}, row, ${ringBytes(first)});`];
  const toQueues = queues.map((stage) => `memcpy(${queuePlace(context, stage, "r")}, row, ${first.inRowBytes});`);
  const copies = [...toRing, ...toQueues];
  const body = [
    `TS_PROFILE(${site.layer});`,
    ...(copies.some((line) => /\br\b/.test(line)) ? ["const int r = s[0].in;"] : []),
    ...copies,
    `${name}_0(a, s${first.ring === undefined ? ", row" : ""});`,
  ];
  return functionText(`${name}_take(int8_t *a, ${COUNTS} *s, const int8_t *row)`, body);
}

/** Bytes of a row that find room in the ring: no window may reach the last columns. */
function ringBytes({ ring, inRowBytes }: StreamStage): number {
  return ring === undefined ? inRowBytes : Math.min(inRowBytes, ringPitch(ring) - ring.left * ring.channels);
}

/** All rows of the input value. */
function allFunction(context: EmitContext, { item, name }: Site): string {
  const [first] = item.stages as readonly [StreamStage];
  const input = first.step.inputs[first.operand] as string;
  return functionText(`${name}_all(int8_t *a)`, [
    `const int8_t *const x = ${valueAt(context, input)};`,
    `${COUNTS} s[${item.stages.length}];`,
    `${name}_begin(a, s);`,
    `for (int r = 0; r < ${first.inRows}; r++)`,
    `  ${name}_take(a, s, x + r * ${first.inRowBytes});`,
  ]);
}
