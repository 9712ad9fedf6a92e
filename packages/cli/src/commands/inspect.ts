import { fail } from "@tessera/core/base/error";
import { TARGETS, targetById } from "@tessera/core/targets/table";
import { readModelFile } from "../io/model-file.ts";
import { dimsOf } from "../ui/dims-option.ts";
import { expectedLines } from "../ui/expected-lines.ts";
import { bytes, count, delegationWords } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { renderTable } from "../ui/table.ts";
import { numberOption, verb } from "../ui/verb.ts";
import { type CostRow, type InspectReport, inspectModel } from "../work/inspect.ts";

export const inspect = verb(
  { name: "inspect", description: "Say what a model is: inputs, operators, cost, hazards, and what each target makes of it" },
  {
    model: { type: "positional", description: "The .onnx or .tflite file", required: false },
    target: { type: "string", description: "Judge for this target only (default: all)" },
    targets: { type: "boolean", description: "List the targets", default: false },
    dims: {
      type: "string",
      description: "Sizes that the model leaves open, as NAME=SIZE,NAME=SIZE, for what is expected of targets (default: 1)",
    },
    top: { type: "string", description: "Nodes in the table of the dearest", default: "10" },
  },
  async (args, tools) => {
    if (args.targets) {
      const list = TARGETS.map(({ id, says, runtime, notes }) => ({ id, says, runtime, notes }));
      if (tools.json) printJson({ kind: "tessera-targets", version: 1, targets: list });
      else
        printLines(
          renderTable(
            [{ title: "target" }, { title: "" }],
            list.map((t) => [t.id, t.says]),
          ),
        );
      return 0;
    }
    if (args.model === undefined) throw fail("USAGE", "Cannot inspect: no model is given");
    const top = numberOption("top", args.top, { min: 0, max: 10_000 }) as number;
    const targets = args.target === undefined ? TARGETS : [targetById(args.target)];
    const report = await inspectModel(readModelFile(args.model), { targets, top, dims: dimsOf(args.dims) });
    if (tools.json) printJson(report);
    else printLines(...inspectLines(report));
    return 0;
  },
);

const figure = (value: number | undefined, format: (v: number) => string): string => (value === undefined ? "?" : format(value));

function costCells(row: CostRow): readonly string[] {
  return [figure(row.macs, count), figure(row.ops, count), bytes(row.weightBytes), figure(row.activationBytes, bytes)];
}

const COST_COLUMNS = ["MACs", "other ops", "weights", "outputs"].map((title) => ({ title, right: true }));

function inspectLines(report: InspectReport): readonly (string | undefined)[] {
  const { model } = report;
  const facts: readonly (readonly [string, string])[] = [
    ["file", `${model.file}, ${bytes(model.sizeBytes)}, sha-256 ${model.sha256.slice(0, 16)}`],
    model.opset > 0
      ? ["opset", `${model.opset}, IR ${report.irVersion ?? "?"}${report.producer === "" ? "" : `, by ${report.producer}`}`]
      : ["format", `${model.format ?? "unknown"}${report.producer === "" ? "" : `, by ${report.producer}`}`],
    ...Object.entries(report.domains).map(([domain, version]) => ["domain", `${domain} ${version}`] as const),
    ...model.inputs.map((input) => ["input", input] as const),
    ...model.outputs.map((output) => ["output", output] as const),
    ["nodes", count(model.nodes)],
    ["parameters", count(model.parameters)],
    ["MACs", model.macs === undefined ? "not known: a size is not known" : `${count(model.macs)} for one sample`],
    [
      "peak memory",
      model.peakActivationBytes === undefined
        ? "not known: a size is not known"
        : `${bytes(model.peakActivationBytes)} of activations${report.peakAt === undefined ? "" : ` at ${report.peakAt}`}`,
    ],
  ];
  const unknown = report.costUnknown.length;
  return [
    renderTable([{ title: "model" }, { title: "" }], facts),
    "",
    ...(report.tflite === undefined ? [] : tfliteLines(report.tflite)),
    renderTable(
      [{ title: "operator" }, { title: "nodes", right: true }, ...COST_COLUMNS],
      report.costByOperator.map((r) => [r.op, String(r.nodes), ...costCells(r)]),
    ),
    "",
    report.dearest.length === 0
      ? undefined
      : renderTable(
          [{ title: "dearest nodes" }, { title: "operator" }, ...COST_COLUMNS],
          report.dearest.map((r) => [r.node, r.op, ...costCells(r)]),
        ),
    "",
    renderTable(
      [{ title: "target" }, { title: "integer", right: true }, { title: "float", right: true }, { title: "stays in float" }],
      report.targets.map((t) => [
        t.id,
        String(t.integer),
        String(t.float),
        t.staysFloat.map((f) => `${f.nodes} ${f.op}`).join(", ") || "nothing",
      ]),
    ),
    ...(report.targets[0]?.staysFloat ?? []).map((f) => `  ${f.op}: ${f.why.join("; ")}`),
    "",
    ...expectedLines(report.targets),
    ...report.targets.flatMap((t) =>
      (t.slow ?? []).map((s) => `  integers in a slow kernel on ${t.id}: ${s.nodes} ${s.op} (${s.why})`),
    ),
    unknown === 0
      ? undefined
      : `cost not known of ${unknown} nodes: ${report.costUnknown.slice(0, 5).join(", ")}${unknown > 5 ? " ..." : ""}`,
    ...(report.notes ?? []).map((note) => `note: ${note}`),
    ...report.problems.map((p) => `problem at ${p.node}: ${p.says}`),
    ...model.hazards.map((h) => `hazard: ${h}`),
  ];
}

function countWords(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([type, n]) => `${n} ${type}`)
    .join(", ");
}

/** The file as it lies there, in its own layout and types. */
function tfliteLines(file: NonNullable<InspectReport["tflite"]>): readonly (string | undefined)[] {
  const { quantization: q } = file;
  return [
    renderTable(
      [{ title: "the file itself" }, { title: "" }],
      [
        ...file.inputs.map((input) => ["input", input]),
        ...file.outputs.map((output) => ["output", output]),
        [
          "numbers",
          `${q.kind}; constants ${countWords(q.constants)}${q.perChannel === 0 ? "" : ` (${q.perChannel} per channel)`}; values ${countWords(q.values)}`,
        ],
        ...(file.signatures.length === 0 ? [] : [["signatures", file.signatures.join(", ")]]),
        [
          "delegate",
          file.delegation === undefined ? `not known: ${file.delegationUnknown ?? ""}` : delegationWords(file.delegation),
        ],
      ],
    ),
    "",
    renderTable(
      [
        { title: "operators of the file" },
        { title: "version", right: true },
        { title: "number", right: true },
        { title: "integer", right: true },
      ],
      file.operators.map((o) => [o.op, String(o.version), String(o.count), String(o.integer)]),
    ),
    "",
  ];
}
