import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import { countNodes } from "@tessera/core/graph/walk";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { targetById } from "@tessera/core/targets/table";
import { proofExecutor } from "../io/executor.ts";
import { writeFile } from "../io/files.ts";
import { type FormatId, formatOfName, stemOf } from "../io/formats.ts";
import { readModelFile } from "../io/model-file.ts";
import { wantedBy } from "../io/present.ts";
import { runnableOf } from "../io/runnable.ts";
import { bytes } from "../ui/format.ts";
import { createProgress } from "../ui/progress.ts";
import { renderTable } from "../ui/table.ts";
import { numberOption, verb } from "../ui/verb.ts";
import { closedSizes } from "../work/lifted.ts";
import { type Parity, provePair } from "../work/parity.ts";
import { createRuntimes } from "../work/runtime.ts";
import { operatorCounts } from "../work/summary.ts";

export const simplify = verb(
  { name: "simplify", description: "Simplify a model and prove that it computes the same" },
  {
    model: { type: "positional", description: "The .onnx or .tflite file", required: true },
    output: {
      type: "string",
      alias: "o",
      description: "Where to write the result, .onnx or .tflite (default: NAME.simple with the ending of the file)",
    },
    target: { type: "string", description: "Also make the rewrites that pay in float on this target" },
    prove: { type: "boolean", description: "Compare with the original on typed random inputs", default: true },
    trials: { type: "string", description: "Random inputs of the proof", default: "2" },
    tolerance: { type: "string", description: "Largest difference, as a share of an output's magnitude", default: "1e-4" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const file = readModelFile(args.model);
    if (file.plan !== undefined)
      throw fail("UNSUPPORTED_FORMAT", `Cannot simplify ${file.path}: it is quantized, and passes work on floats`, {
        hint: "Convert it instead, which writes it anew; or simplify the float model and quantize that",
      });
    const output = args.output ?? `${stemOf(file.path)}.simple.${file.format}`;
    const format = formatOfName(output) ?? "onnx";
    if (format === "ort")
      throw fail("UNSUPPORTED_FORMAT", `Cannot write ${output}: simplified models are written as .onnx or .tflite`, {
        hint: "Write .onnx, and convert that",
      });
    const trials = numberOption("trials", args.trials, { min: 1, max: 1000 }) as number;
    const tolerance = numberOption("tolerance", args.tolerance, { min: 0, max: 1 }) as number;
    const execute = args.prove ? await proofExecutor() : undefined;
    const { model, report } = await simplifyModel(file.model, {
      prove: args.prove,
      proof: { trials, tolerance, ...(execute === undefined ? {} : { execute: execute.run }) },
      ...(args.target === undefined ? {} : { target: targetById(args.target) }),
      signal: tools.signal,
      onProgress: (event) => {
        if (event.kind === "bisect") progress.note(`the proof failed: looking among ${event.sites} rewrites of ${event.pass}`);
      },
    });
    const written = format === "tflite" ? modelToTflite(closedSizes(model).model) : modelToOnnx(model);
    const parity = args.prove && (format === "tflite" || file.format === "tflite") ? await crossing(written) : undefined;
    writeFile(output, written);
    const failures = report.dropped.map((dropped, i) => {
      if (dropped.failing === undefined) return { ...dropped, failing: undefined };
      const stem = join(`${output}.failing-${i + 1}`);
      writeFile(`${stem}.before.onnx`, modelToOnnx(dropped.failing.before));
      writeFile(`${stem}.after.onnx`, modelToOnnx(dropped.failing.after));
      return { ...dropped, failing: `${stem}.{before,after}.onnx` };
    });
    const before = operatorCounts(file.model);
    const after = operatorCounts(model);
    const sourceNodes = file.model.source?.nodes ?? countNodes(file.model.graph, true);
    const summary = {
      input: { file: file.path, sizeBytes: file.bytes.length, nodes: sourceNodes, operators: before },
      output: { file: output, sizeBytes: written.length, nodes: countNodes(model.graph, true), operators: after },
      rounds: report.rounds,
      passes: report.passes.map((p) => ({ pass: p.pass, changes: p.changes.length, declined: p.declined })),
      proof:
        report.proof === undefined ? { kind: "off" } : { ...report.proof, counterexample: undefined, runtime: execute?.runtime },
      dropped: failures,
      ...(file.notes.length === 0 ? {} : { notes: file.notes }),
      ...(parity === undefined ? {} : { parity }),
    };
    if (tools.json) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
    else {
      const ops = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
      const rows = ops.map((op) => [op, String(before[op] ?? 0), String(after[op] ?? 0)]);
      rows.push(
        ["total", String(summary.input.nodes), String(summary.output.nodes)],
        ["file", bytes(file.bytes.length), bytes(written.length)],
      );
      process.stdout.write(
        `${renderTable([{ title: "operator" }, { title: "before", right: true }, { title: "after", right: true }], rows)}\n`,
      );
      for (const p of report.passes) if (p.changes.length > 0) process.stdout.write(`${p.pass}: ${p.changes.length}\n`);
      for (const d of failures)
        process.stdout.write(`taken back: ${d.site} of ${d.pass} (${d.why})${d.failing ? `, see ${d.failing}` : ""}\n`);
      for (const note of file.notes) process.stdout.write(`note: ${note}\n`);
      process.stdout.write(`${proofSentence(report.proof, execute?.runtime)}\n`);
      if (parity !== undefined)
        process.stdout.write(
          `parity of the files: ${parity.inputs} inputs (${parity.runtime}), largest difference ${parity.worstRelative.toExponential(1)} of the magnitude\n`,
        );
      process.stdout.write(`written: ${output}\n`);
    }
    if (report.proof?.kind === "undecided")
      throw fail("PROOF_FAILED", `Cannot prove the result: ${report.proof.why}`, {
        hint: "Check the model's inputs, or use --no-prove",
      });
    return 0;

    /** The passes are proved on the model; that reading and writing a TFLite file lose nothing, on the files. */
    async function crossing(bytes: Uint8Array): Promise<Parity> {
      progress.stage("comparing the files");
      const runtimes = createRuntimes();
      const wanted = format === "tflite" ? { wanted: wantedBy(closedSizes(model).model) } : {};
      return provePair(
        { file: runnableOf(file), runtime: await runtimes.taking(runnableOf(file)) },
        { file: { bytes, externalData: new Map(), ...wanted }, runtime: await runtimes.for({ format: format as FormatId }) },
        { inputs: { folder: undefined, trials, seed: 1 }, bounds: { relative: tolerance }, signal: tools.signal },
      );
    }
  },
);

function proofSentence(
  proof: { kind: string; inputs: number; worst: { relative: number } | undefined } | undefined,
  runtime: string | undefined,
): string {
  if (proof === undefined) return "proof: switched off";
  return `proof: ${proof.kind} on ${proof.inputs} inputs (${runtime}), largest difference ${(proof.worst?.relative ?? 0).toExponential(1)} of the magnitude`;
}
