import type { PredictedSpeedup, Prediction } from "@tessera/core/targets/predictor/predict";
import type { TargetSupport } from "../work/inspect.ts";
import { bytes, ms } from "./format.ts";
import { renderTable } from "./table.ts";

/** What is expected of each target: a table, what is behind it where one target alone was asked for, and the verdicts. */
export function expectedLines(targets: readonly TargetSupport[]): readonly (string | undefined)[] {
  const known = targets.flatMap((t) => (t.prediction === undefined ? [] : [t.prediction]));
  const [only] = targets.length === 1 ? known : [];
  return [
    known.length === 0
      ? undefined
      : renderTable(
          [
            { title: "expected, nothing was run" },
            { title: "integer kernels", right: true },
            { title: "islands", right: true },
            { title: "conversions", right: true },
            { title: "transposes", right: true },
            { title: "weights", right: true },
            { title: "activations", right: true },
            { title: "FP32", right: true },
            { title: "INT8", right: true },
            { title: "speed-up" },
          ],
          known.map(cells),
        ),
    ...(only === undefined ? [] : detailLines(only)),
    ...targets.map((t) =>
      t.prediction === undefined
        ? t.predictionUnknown && `${t.id}: nothing can be said: ${t.predictionUnknown}`
        : `${t.id}: ${t.prediction.verdict}`,
    ),
    ...known.flatMap((p) => p.overBudget.map((line) => `${p.target}: over budget: ${line}`)),
    ...[...new Set(known.flatMap((p) => p.pricedOn ?? []))].map((words) => `times: one thread of ${words}`),
    "",
  ];
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}

function cells({ target, float, integer, speedup }: Prediction): readonly string[] {
  const form = integer ?? float;
  return [
    target,
    integer === undefined ? "-" : String(sum(integer.integerOperators)),
    integer === undefined ? "-" : String(integer.islands),
    integer === undefined ? "-" : String(integer.quantize + integer.dequantize),
    integer === undefined ? "-" : String(integer.transposes),
    bytes(form.weightBytes),
    form.peakActivationBytes === undefined ? "?" : bytes(form.peakActivationBytes),
    float.latencyMs === undefined ? "?" : ms(float.latencyMs),
    integer?.latencyMs === undefined ? "?" : ms(integer.latencyMs),
    speedupWords(speedup),
  ];
}

function speedupWords(speedup: PredictedSpeedup | undefined): string {
  if (speedup === undefined) return "not known";
  return `${speedup.value.toFixed(2)} (${speedup.low.toFixed(2)} to ${speedup.high.toFixed(2)})`;
}

function detailLines({ integer, unpriced }: Prediction): readonly (string | undefined)[] {
  if (integer === undefined) return [];
  return [
    "",
    renderTable(
      [{ title: "integer kernels" }, { title: "number", right: true }],
      Object.entries(integer.integerOperators).map(([op, n]) => [op, String(n)]),
    ),
    `${(100 * integer.macShare).toFixed(1)} % of the multiplications in integers; ${integer.quantize} QuantizeLinear and ${integer.dequantize} DequantizeLinear left`,
    ...integer.inFloat.map((f) => `  in float: ${f.nodes} ${f.op}: ${f.why.join("; ")}`),
    ...integer.slow.map((f) => `  in a slow kernel: ${f.nodes} ${f.op}: ${f.why.join("; ")}`),
    unpriced.length === 0 ? undefined : `  no price is known for ${unpriced.join(", ")}: the times leave them out`,
  ];
}
