import * as v from "valibot";
import { fileKeyProvider } from "./keys/file-key.ts";
import type { KeyProvider } from "./keys/key-provider.ts";
import { readPassphrase } from "./keys/passphrase.ts";
import { pkcs11KeyProvider } from "./keys/pkcs11-key.ts";
import { tpm2Anchor } from "./keys/tpm2-anchor.ts";
import { tpm2KeyProvider } from "./keys/tpm2-key.ts";
import type { RollbackAnchor } from "./store/anchor.ts";

const text = v.pipe(v.string(), v.minLength(1, "must not be empty"));
const pkcs11 = { provider: v.literal("pkcs11"), module: text, tokenLabel: text, keyId: text };

/** Who keeps the key that everything on disk is wrapped with. */
export const KEY_CONFIG = v.union(
  [
    v.strictObject({ provider: v.literal("file"), passphraseFile: text }),
    v.strictObject({ provider: v.literal("file"), passphraseEnv: text }),
    v.strictObject({ provider: v.literal("tpm2"), tcti: v.optional(text), pcrs: v.optional(text) }),
    v.strictObject({ ...pkcs11, pinFile: text }),
    v.strictObject({ ...pkcs11, pinEnv: text }),
  ],
  "must be of provider file (passphraseFile or passphraseEnv), tpm2 (tcti, pcrs) or pkcs11 (module, tokenLabel, keyId, pinFile or pinEnv)",
);

/** A counter that nobody can set back, which tells when the whole store was. */
export const ANCHOR_CONFIG = v.strictObject({ provider: v.literal("tpm2"), index: text, tcti: v.optional(text) });

/** The part of a configuration that says who keeps the key. */
export type KeyConfig = v.InferOutput<typeof KEY_CONFIG>;

/** Paths of the part as they are from the configuration's folder. */
export function keyPaths(keys: KeyConfig, at: (path: string) => string): KeyConfig {
  if ("passphraseFile" in keys) return { ...keys, passphraseFile: at(keys.passphraseFile) };
  if (keys.provider !== "pkcs11") return keys;
  return "pinFile" in keys
    ? { ...keys, module: at(keys.module), pinFile: at(keys.pinFile) }
    : { ...keys, module: at(keys.module) };
}

/** The key provider of a configuration. @throws KEY_UNAVAILABLE */
export async function keysOf({ keys }: { readonly keys: KeyConfig }): Promise<KeyProvider> {
  if (keys.provider === "tpm2") {
    const { tcti, pcrs } = keys;
    return tpm2KeyProvider({ ...(tcti !== undefined && { tcti }), ...(pcrs !== undefined && { pcrs }) });
  }
  const secret = await secretOf(keys);
  try {
    if (keys.provider === "file") return fileKeyProvider(secret);
    const { module, tokenLabel, keyId } = keys;
    return pkcs11KeyProvider({ module, tokenLabel, keyId, pin: secret });
  } finally {
    secret.fill(0);
  }
}

function secretOf(keys: Exclude<KeyConfig, { provider: "tpm2" }>): Promise<Uint8Array> {
  if ("passphraseFile" in keys) return readPassphrase({ kind: "file", path: keys.passphraseFile });
  if ("passphraseEnv" in keys) return readPassphrase({ kind: "env", name: keys.passphraseEnv });
  if ("pinFile" in keys) return readPassphrase({ kind: "file", path: keys.pinFile });
  return readPassphrase({ kind: "env", name: keys.pinEnv });
}

/** The anchor of a configuration, where there is one. */
export function anchorOf({
  anchor,
}: {
  readonly anchor?: v.InferOutput<typeof ANCHOR_CONFIG> | undefined;
}): RollbackAnchor | undefined {
  if (anchor === undefined) return undefined;
  const { index, tcti } = anchor;
  return tpm2Anchor({ index, ...(tcti !== undefined && { tcti }) });
}
