import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { scoreSample, trainDetector } from "@tessera/core/modality/keystroke/detectors";
import { attemptsOf } from "@tessera/core/modality/keystroke/protocol";
import { CMU_HEADER, readCmuSet } from "@tessera/core/modality/keystroke/read-set";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { runCommand } from "citty";
import { beforeAll, describe, expect, test } from "vitest";
import { readBytes, sha256, writeFile } from "../io/files.ts";
import { keystroke } from "./keystroke.ts";

const sandbox = commandSandbox("tessera-keystroke-");
let table: string;
let text: string;

/** Four people with rhythms of their own, twelve repetitions each, in the form of the CMU table. */
function made(): string {
  const random = seededRandom(12);
  const lines = ["s002", "s003", "s004", "s005"].flatMap((subject) => {
    const rhythm = CMU_HEADER.slice(3).map(() => 0.05 + 0.3 * random.next());
    return Array.from({ length: 12 }, (_, i) => {
      const times = rhythm.map((t) => (t * (1 + 0.2 * Math.abs(random.normal()))).toFixed(4));
      return [subject, Math.floor(i / 6) + 1, (i % 6) + 1, ...times].join(",");
    });
  });
  return `${[CMU_HEADER.join(","), ...lines].join("\n")}\n`;
}

beforeAll(() => {
  table = join(sandbox.folder, "typed.csv");
  text = made();
  writeFile(table, text);
});

async function run(...rawArgs: readonly string[]): Promise<{ readonly out: string; readonly err: string }> {
  return printedBy(() => runCommand(keystroke, { rawArgs: [...rawArgs] }));
}

describe("tessera keystroke", () => {
  test("reports every detector that is asked for, the best first, with the published figures beside them", async () => {
    const { out } = await run(table, "--detector", "euclidean,manhattan-scaled,svm", "--json", "--quiet");
    const report = JSON.parse(out);
    expect(report.set).toEqual({ name: "CMU", file: table, sha256: sha256(text), people: 4, samples: 48, features: 31 });
    expect(report.protocol).toEqual({ train: 6, impostors: 5 });
    const means = report.rows.map((row: { readonly eer: { readonly mean: number } }) => row.eer.mean);
    expect(means).toEqual(means.toSorted((a: number, b: number) => a - b));
    expect(report.best).toBe(report.rows[0].detector);
    const scaled = report.rows.find((row: { readonly detector: string }) => row.detector === "manhattan-scaled");
    expect(scaled.published.eer).toEqual([0.096, 0.069]);
    expect(scaled.users).toHaveLength(4);
    expect(scaled.users[0]).toMatchObject({ subject: "s002", genuine: 6, impostor: 15 });
    expect(scaled.eer.mean).toBeLessThan(0.2);
  });

  test("prints a table", async () => {
    const { out } = await run(table, "--detector", "manhattan", "--train", "8", "--impostors", "2", "--quiet");
    expect(out).toMatch(/manhattan +0\.\d{3} \(0\.\d{3}\).*0\.153 \(0\.092\)/);
    expect(out).toContain("learned from the first 8 of each, impostors the first 2 of everybody else");
  });

  test("exports one person's detector, which scores as it does, with inputs to calibrate on", async () => {
    const [file, folder] = [join(sandbox.folder, "s003.onnx"), join(sandbox.folder, "calibration")];
    const args = ["--detector", "manhattan-scaled", "--export", file, "--user", "s003", "--calibration", folder];
    const report = JSON.parse((await run(table, ...args, "--json", "--quiet")).out);
    const bytes = readBytes(file);
    expect(report.exported).toMatchObject({ file, user: "s003", detector: "manhattan-scaled", sha256: sha256(bytes) });
    const person = attemptsOf(readCmuSet(text), { train: 6, impostors: 5 })[1];
    if (person === undefined) throw new Error("no second person");
    expect(modelFromOnnx(bytes).graph.nodes.map((n) => n.op)).toEqual(["Reshape", "Conv", "Relu", "Reshape", "Gemm"]);
    const detector = trainDetector("manhattan-scaled", person.train);
    const names = readdirSync(folder);
    expect(names).toHaveLength(24);
    const first = new Float32Array(new Uint8Array(readFileSync(join(folder, names[0] as string))).buffer);
    expect([...first]).toEqual([...Float32Array.from(person.train.data.subarray(0, 31))]);
    const session = await (await ortNodeRuntime({ worker: false })).load(bytes);
    const output = await session.run(new Map([["timings", f32([1, 31], first)]]));
    expect(toNumbers(output.get("score") as Tensor)[0]).toBeCloseTo(scoreSample(detector, first), 3);
    await session.close();
  });

  test("refuses to export for nobody, or in another format, before anything is trained", async () => {
    const usage = (words: string) => expect.objectContaining({ code: "USAGE", message: expect.stringContaining(words) });
    const out = join(sandbox.folder, "refused");
    await expect(run(table, "--user", "s009", "--export", `${out}.onnx`)).rejects.toThrow(
      usage("no such person; there are s002"),
    );
    await expect(run(table, "--user", "s002", "--export", `${out}.tflite`)).rejects.toThrow(usage("exported as .onnx"));
    expect(readdirSync(sandbox.folder).filter((name) => name.startsWith("refused"))).toEqual([]);
  });

  test("reads a folder by its manifest, and refuses one that points elsewhere", async () => {
    const folder = join(sandbox.folder, "set");
    writeFile(join(folder, "typed.csv"), "Subject,Hold a,DD a.b\n1,90,100\n1,95,110\n1,85,90\n2,60,70\n2,61,80\n2,66,75\n");
    writeFile(
      join(folder, "manifest.csv"),
      `path,subject,repetition\n${["1,1", "1,2", "1,3", "2,1", "2,2", "2,3"].map((r) => `typed.csv,${r}\n`).join("")}`,
    );
    const report = JSON.parse((await run(folder, "--detector", "manhattan", "--train", "2", "--json", "--quiet")).out);
    expect(report.set).toMatchObject({ name: "MEU-Mobile", people: 2, samples: 6, features: 2 });
    for (const path of ["../typed.csv", "/typed.csv", "a/../../typed.csv"]) {
      writeFile(join(folder, "manifest.csv"), `path,subject,repetition\n${path},1,1\n`);
      await expect(run(folder)).rejects.toThrow(expect.objectContaining({ code: "DATASET_INVALID" }));
    }
  });

  test.each([
    ["an unknown detector", ["--detector", "guess"], "USAGE"],
    ["a file without a person", ["--export", "x.onnx"], "USAGE"],
    ["a person without a file", ["--user", "s002"], "USAGE"],
    ["calibration inputs without a file", ["--calibration", "x"], "USAGE"],
    ["half a repetition", ["--train", "2.5"], "USAGE"],
    ["more repetitions than there are", ["--train", "12"], "INSUFFICIENT_DATA"],
    ["a person who is not there", ["--detector", "manhattan", "--export", "never.onnx", "--user", "s999"], "USAGE"],
  ])("refuses %s", async (_, args, code) => {
    await expect(run(table, ...args, "--quiet")).rejects.toThrow(expect.objectContaining({ code }));
  });
});
