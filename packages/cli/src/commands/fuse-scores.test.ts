import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { applyFusion, parseFusion } from "@tessera/core/biometrics/fusion";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { runCommand } from "citty";
import { beforeAll, describe, expect, it } from "vitest";
import { writeFile } from "../io/files.ts";
import { fuseScores } from "./fuse-scores.ts";

const sandbox = commandSandbox("tessera-fuse-scores-");
const at = (name: string): string => join(sandbox.folder, name);

/** Face 3 deviations apart, voice 2; every tenth trial has no voice. */
function table(count: number, extra: (i: number) => string, header: string): string {
  const random = seededRandom(1);
  const rows = Array.from({ length: count }, (_, i) => {
    const is = i % 5 === 0 ? 1 : 0;
    const voice = i % 10 === 3 ? "" : (2 * is + random.normal()).toFixed(4);
    return `${is},${(3 * is + random.normal()).toFixed(4)},${voice}${extra(i)}`;
  });
  return `genuine,face,voice${header}\n${rows.join("\n")}\n`;
}

async function run(...args: readonly string[]): Promise<string> {
  return (await printedBy(() => runCommand(fuseScores, { rawArgs: [...args] }))).out;
}

beforeAll(() => {
  writeFile(
    at("plain.csv"),
    table(4000, () => "", ""),
  );
  writeFile(
    at("folds.csv"),
    table(4000, (i) => `,${i % 3}`, ",fold"),
  );
});

describe("tessera fuse-scores", () => {
  it("writes a fusion that a gateway can read, and figures of trials that the fits had not seen", async () => {
    const report = JSON.parse(await run(at("folds.csv"), "-o", at("fusion.json"), "--json"));
    expect(report).toMatchObject({ heldOut: true, trials: { genuine: 800, impostor: 3200 } });
    const eer = Object.fromEntries(report.systems.map((s: { system: string; eer: number }) => [s.system, s.eer]));
    // Phi(-1.5), Phi(-1); both: d'^2 = 9 + 4, nine times in ten.
    expect(eer["face"]).toBeCloseTo(0.0668, 1.5);
    expect(eer["voice"]).toBeCloseTo(0.1587, 1.5);
    expect(eer["fused"]).toBeLessThan(0.05);
    expect(report.systems[2].cllr).toBeLessThan(0.2);
    const model = parseFusion(readFileSync(at("fusion.json"), "utf8"));
    expect(model.rules.map((rule) => rule.modalities.join("+"))).toEqual(["face", "voice", "face+voice"]);
    expect(applyFusion(model, { face: { score: 3 }, voice: { score: 2 } })).toBeGreaterThan(3);
  });

  it("says so where nothing was held out, and allows only the sets that it is told", async () => {
    const out = await run(at("plain.csv"), "-o", at("both.json"), "--method", "likelihood-ratio", "--subsets", "face+voice,face");
    expect(out).toContain("not held out");
    const model = parseFusion(readFileSync(at("both.json"), "utf8"));
    expect(model.rules.map((rule) => rule.modalities)).toEqual([["face", "voice"], ["face"]]);
    expect(applyFusion(model, { voice: { score: 9 } })).toBeUndefined();
  });

  it("refuses tables that do not say what is what, naming the line", async () => {
    const refused = async (text: string, words: string): Promise<void> => {
      writeFile(at("bad.csv"), text);
      await expect(run(at("bad.csv"), "-o", at("bad.json"))).rejects.toEqual(
        expect.objectContaining({ code: "DATASET_INVALID", message: expect.stringContaining(words) }),
      );
    };
    await refused("genuine,face\n1,0.5\n2,0.1\n", "line 3");
    await refused("genuine,face\n1,0.5\n0,much\n", 'line 3 has "much" for face');
    await refused("genuine,face\n1,NaN\n0,1\n", "line 2");
    await refused("genuine\n1\n0\n", "one of scores");
    await refused("genuine,face,gait.quality\n1,0.5,1\n0,0.1,1\n", "quality of no modality");
    await refused("genuine,face,face\n1,0.5,1\n0,0.1,1\n", "face");
    await refused("genuine,face,fold\n1,0.5,a\n0,0.1,a\n1,0.4,a\n0,0.2,a\n", "only one");
    expect(existsSync(at("bad.json"))).toBe(false);
  });
});
