import { constants, createPublicKey, publicEncrypt, randomBytes } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import { joinParts, splitParts } from "../store/bytes.ts";
import { seal, unseal } from "../store/seal.ts";
import type { KeyProvider } from "./key-provider.ts";
import { runTool, type ToolAnswer } from "./tool.ts";

/** Options of {@link pkcs11KeyProvider}. */
export interface Pkcs11Options {
  /** Path of the token's library. */
  readonly module: string;
  readonly tokenLabel: string;
  /** Id (CKA_ID), hexadecimal, of an RSA key pair of at least 2048 bits that may decrypt. The tool decrypts with the first key it meets when it is given a label. */
  readonly keyId: string;
  /** Take it from `readPassphrase`. Given to the tool by its environment. */
  readonly pin: Uint8Array;
}

const LEAST_BITS = 2048;
/** SoftHSM and many cards know no other hash here; OAEP does not rest on the hash being free of collisions. */
const OAEP = ["--mechanism", "RSA-PKCS-OAEP", "--hash-algorithm", "SHA-1", "--mgf", "MGF1-SHA1"];

/**
 * Wraps the data key with a key that only the private RSA key of a PKCS#11 token can decrypt (RSA-OAEP). Needs `pkcs11-tool` of OpenSC. The public
 * half does the wrapping here, without the token's PIN.
 */
export function pkcs11KeyProvider(options: Pkcs11Options): KeyProvider {
  const pin = Uint8Array.from(options.pin);
  if (!/^([0-9a-f]{2})+$/i.test(options.keyId))
    throw fail("KEY_UNAVAILABLE", `Cannot use the token's key ${options.keyId}: ids are hexadecimal`);
  const token = (
    args: readonly string[],
    more: { readonly input?: Uint8Array; readonly login?: boolean } = {},
  ): Promise<ToolAnswer> => {
    const { input, login } = more;
    const all = ["--module", options.module, "--token-label", options.tokenLabel, "--id", options.keyId, ...args];
    const given = input === undefined ? {} : { input };
    if (login !== true) return runTool("pkcs11-tool", all, given);
    const env = { TESSERA_TOKEN_PIN: Buffer.from(pin).toString("utf8") };
    return runTool("pkcs11-tool", ["--login", "--pin", "env:TESSERA_TOKEN_PIN", ...all], { ...given, env });
  };
  return {
    id: "pkcs11",
    async wrap(dataKey, aad) {
      const { ok, output, complaint } = await token(["--read-object", "--type", "pubkey"]);
      if (!ok) throw fail("KEY_UNAVAILABLE", `Cannot read the token's public key ${options.keyId}: ${complaint}`);
      const publicKey = createPublicKey({ key: Buffer.from(output), format: "der", type: "spki" });
      const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
      if (publicKey.asymmetricKeyType !== "rsa" || bits < LEAST_BITS) {
        throw fail(
          "KEY_UNAVAILABLE",
          `Cannot use the token's key ${options.keyId}: it is no RSA key of ${LEAST_BITS} bits or more`,
        );
      }
      const key = randomBytes(32);
      const locked = publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" }, key);
      const wrapped = joinParts(locked, seal(key, dataKey, joinParts("pkcs11", aad)));
      key.fill(0);
      return wrapped;
    },
    async unwrap(wrapped, aad) {
      const [locked, sealed] = splitParts(wrapped, 2);
      const answer = await token(["--decrypt", ...OAEP], { input: locked ?? new Uint8Array(0), login: true });
      if (!answer.ok || answer.output.length !== 32) throw refusal(answer);
      const dataKey = unseal(answer.output, sealed ?? new Uint8Array(0), joinParts("pkcs11", aad));
      answer.output.fill(0);
      if (dataKey === undefined)
        throw fail("KEY_REJECTED", "Cannot unwrap the data key: the device id or the wrapped key is another");
      return dataKey;
    },
    close: () => pin.fill(0),
  };
}

/** A token that is not there is another matter than one that says no. */
function refusal({ complaint }: ToolAnswer): Error {
  const absent = /no slot|not found|failed to load|C_Initialize|TOKEN_NOT_PRESENT/i.test(complaint);
  return absent
    ? fail("KEY_UNAVAILABLE", `Cannot ask the token: ${complaint}`)
    : fail("KEY_REJECTED", `Cannot unwrap the data key: the token refuses (${complaint})`);
}
