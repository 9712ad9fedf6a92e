import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { countNodes } from "@tessera/core/graph/walk";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { targetById } from "@tessera/core/targets/table";
import { proofExecutor } from "../io/executor.ts";
import { writeFile } from "../io/files.ts";
import { readModelFile } from "../io/model-file.ts";
import { bytes } from "../ui/format.ts";
import { createProgress } from "../ui/progress.ts";
import { renderTable } from "../ui/table.ts";
import { numberOption, verb } from "../ui/verb.ts";
import { operatorCounts } from "../work/summary.ts";

export const simplify = verb(
  { name: "simplify", description: "Simplify a model and prove that it computes the same" },
  {
    model: { type: "positional", description: "The .onnx file", required: true },
    output: { type: "string", alias: "o", description: "Where to write the result (default: NAME.simple.onnx)" },
    target: { type: "string", description: "Also make the rewrites that pay in float on this target" },
    prove: { type: "boolean", description: "Compare with the original on typed random inputs", default: true },
    trials: { type: "string", description: "Random inputs of the proof", default: "2" },
    tolerance: { type: "string", description: "Largest difference, as a share of an output's magnitude", default: "1e-4" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const file = readModelFile(args.model);
    const output = args.output ?? file.path.replace(/\.onnx$/i, "").concat(".simple.onnx");
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
    const written = modelToOnnx(model);
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
      process.stdout.write(`${proofSentence(report.proof, execute?.runtime)}\nwritten: ${output}\n`);
    }
    if (report.proof?.kind === "undecided")
      throw fail("PROOF_FAILED", `Cannot prove the result: ${report.proof.why}`, {
        hint: "Check the model's inputs, or use --no-prove",
      });
    return 0;
  },
);

function proofSentence(
  proof: { kind: string; inputs: number; worst: { relative: number } | undefined } | undefined,
  runtime: string | undefined,
): string {
  if (proof === undefined) return "proof: switched off";
  return `proof: ${proof.kind} on ${proof.inputs} inputs (${runtime}), largest difference ${(proof.worst?.relative ?? 0).toExponential(1)} of the magnitude`;
}
