import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { joinParts, splitParts } from "../store/bytes.ts";
import { seal, unseal } from "../store/seal.ts";
import type { KeyProvider } from "./key-provider.ts";
import { runTool, type ToolOptions } from "./tool.ts";

/** Options of {@link tpm2KeyProvider}. */
export interface Tpm2Options {
  /** How the tools reach the TPM (TPM2TOOLS_TCTI), such as "device:/dev/tpmrm0"; the tools' own choice unless given. */
  readonly tcti?: string;
  /** Platform configuration registers the key is bound to, such as "sha256:0,7": after another boot chain it stays shut. None unless given. */
  readonly pcrs?: string;
}

/**
 * Wraps the data key with a key that is sealed in a TPM 2.0, under a primary key of its owner hierarchy, which no other TPM can make. Needs
 * `tpm2-tools`. What goes over the bus to a TPM on a chip of its own is not encrypted: whoever can listen there sees the key pass.
 */
export function tpm2KeyProvider(options: Tpm2Options = {}): KeyProvider {
  const pcrs = options.pcrs;
  if (pcrs !== undefined && !/^[a-z0-9_]+:\d+(,\d+)*$/.test(pcrs)) {
    throw fail("KEY_UNAVAILABLE", `Cannot bind a key to the registers ${pcrs}: write them like sha256:0,7`);
  }
  const tpm = (args: readonly string[], more: ToolOptions = {}) =>
    runTool("tpm2", args, options.tcti === undefined ? more : { ...more, env: { TPM2TOOLS_TCTI: options.tcti } });

  /** Works in a folder of our own with the primary key; without a resource manager a TPM has room for three objects, so each step clears up. */
  async function withPrimary<T>(work: (path: (name: string) => string) => Promise<T>): Promise<T> {
    const dir = await mkdtemp(join(tmpdir(), "tessera-tpm-"));
    const path = (name: string) => join(dir, name);
    try {
      const made = await tpm(["createprimary", "-Q", "-C", "o", "-g", "sha256", "-G", "ecc", "-c", path("primary")]);
      if (!made.ok) throw fail("KEY_UNAVAILABLE", `Cannot ask the TPM: ${made.complaint}`);
      await tpm(["flushcontext", "-t"]);
      return await work(path);
    } finally {
      await tpm(["flushcontext", "-t"]).catch(() => undefined);
      await rm(dir, { recursive: true, force: true });
    }
  }

  return {
    id: "tpm2",
    wrap: (dataKey, aad) =>
      withPrimary(async (path) => {
        const policy: string[] = [];
        if (pcrs !== undefined) {
          const made = await tpm(["createpolicy", "-Q", "--policy-pcr", "-l", pcrs, "-L", path("policy")]);
          if (!made.ok) throw fail("KEY_UNAVAILABLE", `Cannot bind a key to the registers ${pcrs}: ${made.complaint}`);
          policy.push("-L", path("policy"));
        }
        const attributes = `fixedtpm|fixedparent|noda${pcrs === undefined ? "|userwithauth" : ""}`;
        const key = randomBytes(32);
        const args = [
          "create",
          "-Q",
          "-C",
          path("primary"),
          "-i",
          "-",
          "-u",
          path("pub"),
          "-r",
          path("priv"),
          "-a",
          attributes,
          ...policy,
        ];
        const made = await tpm(args, { input: key });
        if (!made.ok) throw fail("KEY_UNAVAILABLE", `Cannot seal a key in the TPM: ${made.complaint}`);
        const sealed = joinParts(
          await readFile(path("pub")),
          await readFile(path("priv")),
          seal(key, dataKey, joinParts("tpm2", aad)),
        );
        key.fill(0);
        return sealed;
      }),
    unwrap: (wrapped, aad) =>
      withPrimary(async (path) => {
        const [pub, priv, sealed] = splitParts(wrapped, 3);
        await writeFile(path("pub"), pub ?? "", { mode: 0o600 });
        await writeFile(path("priv"), priv ?? "", { mode: 0o600 });
        const loaded = await tpm([
          "load",
          "-Q",
          "-C",
          path("primary"),
          "-u",
          path("pub"),
          "-r",
          path("priv"),
          "-c",
          path("object"),
        ]);
        if (!loaded.ok) throw fail("KEY_REJECTED", `Cannot unwrap the data key: this TPM did not seal it (${loaded.complaint})`);
        await tpm(["flushcontext", "-t"]);
        const opened = await tpm(["unseal", "-c", path("object"), ...(pcrs === undefined ? [] : ["-p", `pcr:${pcrs}`])]);
        if (!opened.ok) throw fail("KEY_REJECTED", `Cannot unwrap the data key: the TPM refuses (${opened.complaint})`);
        const dataKey = unseal(opened.output, sealed ?? new Uint8Array(0), joinParts("tpm2", aad));
        opened.output.fill(0);
        if (dataKey === undefined)
          throw fail("KEY_REJECTED", "Cannot unwrap the data key: the device id or the wrapped key is another");
        return dataKey;
      }),
  };
}
