import { existsSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { type Manifest, type PairList, parseAliases, parseManifest, parsePairList } from "@tessera/core/biometrics/dataset";
import { readText, sha256 } from "../io/files.ts";
import type { Samples } from "./samples.ts";

/** A folder with manifest.csv, and pairs.csv (or trials.csv) and aliases.csv where there are such. */
export interface PeopleFolder {
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
  readonly pairs: PairList | undefined;
  readonly aliases: readonly (readonly [string, string])[];
}

/** Recordings of people, made ready for one kind of network. */
export interface PeopleData extends PeopleFolder {
  /** What networks look at, a row for each row of the manifest. */
  readonly samples: Samples;
  /** sha-256 over manifest, pair list, aliases and samples. */
  readonly digest: string;
}

/** Reads the lists of a folder, asks for what networks look at, and puts both under one digest. @throws DATASET_INVALID, IO */
export async function readPeople<T extends Samples>(
  folder: string,
  samplesOf: (manifest: Manifest, manifestText: string) => Promise<{ readonly samples: T; readonly digest: string }>,
): Promise<PeopleData & { readonly samples: T }> {
  const manifestPath = join(folder, "manifest.csv");
  const manifestText = readText(manifestPath);
  const manifest = parseManifest(manifestText, { file: manifestPath });
  if (manifest.subjects === undefined)
    throw fail("DATASET_INVALID", `Cannot use ${manifestPath}: it has no column "subject"`, { at: { file: manifestPath } });
  const optional = (name: string): string | undefined =>
    existsSync(join(folder, name)) ? readText(join(folder, name)) : undefined;
  const pairsName = existsSync(join(folder, "pairs.csv")) ? "pairs.csv" : "trials.csv";
  const pairsText = optional(pairsName);
  const aliasesText = optional("aliases.csv");
  const { samples, digest } = await samplesOf(manifest, manifestText);
  return {
    name: folder.split(/[\\/]/).filter(Boolean).at(-1) ?? folder,
    folder,
    manifest,
    pairs: pairsText === undefined ? undefined : parsePairList(pairsText, { file: pairsName }),
    aliases: aliasesText === undefined ? [] : parseAliases(aliasesText, { file: "aliases.csv" }),
    samples,
    digest: sha256(`${sha256(manifestText)}${sha256(pairsText ?? "")}${sha256(aliasesText ?? "")}${digest}`),
  };
}
