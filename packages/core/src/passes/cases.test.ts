import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Model } from "../graph/model.ts";
import { parseGraph } from "../graph/text-parse.ts";
import { printGraph } from "../graph/text-print.ts";
import { verifyModel } from "../graph/verify.ts";
import { cancelMovesPass } from "./cancel-moves.ts";
import { dropNoopsPass } from "./drop-noops.ts";
import { flushTinyPass } from "./flush-tiny.ts";
import { foldAffine } from "./fold-affine.ts";
import { foldAffineAheadPass } from "./fold-affine-ahead.ts";
import { foldConstants } from "./fold-constants.ts";
import { foldPadPass } from "./fold-pad.ts";
import { foldShapesPass } from "./fold-shapes.ts";
import { mergeDuplicates, shareConstants } from "./merge-duplicates.ts";
import { mergeSlicesPass } from "./merge-slices.ts";
import { normaliseActivationsPass } from "./normalise-activations.ts";
import { padChannelsPass } from "./pad-channels.ts";
import { ALLOW_ALL, type Pass } from "./pass.ts";
import { prove } from "./proof.ts";
import { pushTransposesPass } from "./push-transposes.ts";
import { recognisePass } from "./recognise.ts";
import { removeDead } from "./remove-dead.ts";
import { resolveIfPass } from "./resolve-if.ts";
import { splitPrelu } from "./split-prelu.ts";

/** Passes by the name of their folder in `packages/core/cases/passes`. */
const PASSES: Readonly<Record<string, (options: Record<string, unknown>) => Pass>> = {
  "cancel-moves": cancelMovesPass,
  "drop-noops": dropNoopsPass,
  "flush-tiny": flushTinyPass,
  "fold-affine": foldAffine,
  "fold-affine-ahead": foldAffineAheadPass,
  "fold-constants": foldConstants,
  "fold-pad": foldPadPass,
  "fold-shapes": foldShapesPass,
  "merge-duplicates": mergeDuplicates,
  "merge-slices": mergeSlicesPass,
  "normalise-activations": normaliseActivationsPass,
  "pad-channels": padChannelsPass,
  "push-transposes": pushTransposesPass,
  recognise: recognisePass,
  "remove-dead": removeDead,
  "resolve-if": resolveIfPass,
  "share-constants": shareConstants,
  "split-prelu": splitPrelu,
};

const FOLDER = new URL("../../cases/passes/", import.meta.url);
/** `RECORD_CASES=1 npx vitest run ...` writes what the passes give into the files, to be read before it is committed. */
const RECORD = process.env["RECORD_CASES"] === "1";

interface Case {
  readonly sentence: string;
  readonly before: string;
  readonly after: string;
  readonly options: Record<string, unknown>;
}

function readCase(url: URL): Case {
  const [sentence = "", rest = ""] = readFileSync(url, "utf8").split(/^===\n/m);
  const [before = "", after = "", options] = rest.split(/^@@@\n/m);
  return { sentence: sentence.trim(), before, after: after.trim(), options: options ? JSON.parse(options) : {} };
}

function modelOf(text: string): Model {
  return { kind: "model", graph: parseGraph(text), domains: new Map(), metadata: new Map(), producer: { name: "", version: "" } };
}

/** The reasons why a pass left things, as comment lines under the graph: golden too. */
function printed(model: Model, declined: readonly { readonly site: string; readonly why: string }[]): string {
  return [printGraph(model.graph), ...declined.map((d) => `# ${d.site}: ${d.why}`)].join("\n");
}

const folders = existsSync(FOLDER) ? readdirSync(FOLDER).sort() : [];

it("has cases for every pass, and a pass for every folder", () => {
  expect(folders).toEqual(Object.keys(PASSES).sort());
});

for (const folder of folders) {
  describe(folder, () => {
    for (const file of readdirSync(new URL(`${folder}/`, FOLDER)).sort()) {
      const url = new URL(`${folder}/${file}`, FOLDER);
      const { sentence, before, after, options } = readCase(url);
      it(`${file}: ${sentence}`, async () => {
        const pass = (PASSES[folder] as (options: Record<string, unknown>) => Pass)(options);
        const model = modelOf(before);
        verifyModel(model);
        const once = pass.run(model, ALLOW_ALL);
        verifyModel(once.model);
        const text = printed(once.model, once.report.declined);
        const hasOptions = Object.keys(options).length > 0 ? `@@@\n${JSON.stringify(options)}\n` : "";
        if (RECORD) writeFileSync(url, `${sentence}\n===\n${before.trim()}\n@@@\n${text}\n${hasOptions}`);
        else expect(text).toBe(after);
        const twice = pass.run(once.model, ALLOW_ALL);
        expect(twice.report.changes).toEqual([]);
        expect(twice.model).toBe(once.model);
        const proof = await prove(model, once.model, { trials: 3, tolerance: 1e-5 });
        expect(proof).toMatchObject({ kind: "proved" });
      });
    }
  });
}
