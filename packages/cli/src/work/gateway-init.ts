import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { fail } from "@tessera/core/base/error";
import { parseCard } from "@tessera/core/modality/read-card";
import type { GatewayRole } from "@tessera/core/protocol/gateway-api";
import { CONFIG_NAME, checkConfig, type GatewayConfigFile } from "@tessera/gateway/config";
import { policiesOf } from "@tessera/gateway/decision/from-config";
import { ROLES } from "@tessera/gateway/http/roles";
import { makeToken, printTokens } from "@tessera/gateway/http/tokens";
import { findCardPath } from "../io/card-file.ts";
import { fileSize, readBytes } from "../io/files.ts";

/** A threshold as the options give it: a false accept rate of the card, or a number with a reason. */
type Threshold = { readonly far: number } | { readonly threshold: number; readonly note: string };

/** What a new gateway is made of. */
export interface GatewayInit {
  /** Folder to make. */
  readonly folder: string;
  readonly cards?: string;
  readonly face?: {
    readonly detector: string;
    readonly embedder: string;
    readonly liveness?: string;
    readonly livenessThreshold: number;
    readonly decision: Threshold;
  };
  readonly voice?: { readonly embedder: string; readonly vad?: string; readonly decision: Threshold };
  readonly port?: number;
}

/** What was made. The tokens are nowhere else. */
export interface GatewayMade {
  readonly config: string;
  readonly deviceId: string;
  readonly tokens: readonly { readonly id: string; readonly role: GatewayRole; readonly token: string }[];
}

/** Makes a gateway's folder: configuration, tokens (hashed), passphrase (mode 0600). @throws USAGE when there is one, CARD_INVALID, GATEWAY_CONFIG */
export async function initGateway(init: GatewayInit): Promise<GatewayMade> {
  const folder = resolve(init.folder);
  const file = join(folder, CONFIG_NAME);
  const passphrase = join(folder, "passphrase");
  const tokensFile = join(folder, "tokens.json");
  for (const path of [file, passphrase, tokensFile])
    if (existsSync(path)) throw fail("USAGE", `Cannot make a gateway in ${init.folder}: ${basename(path)} is there`);
  const config = configOf(init, folder);
  // Everything that a start would refuse is refused now, before anything is written.
  await policiesOf(checkConfig(config, { file }));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const made = ROLES.map((role) => makeToken(role, role));
  writeSecret(passphrase, `${randomBytes(32).toString("base64url")}\n`);
  writeSecret(tokensFile, printTokens(made.map((m) => m.entry)));
  writeFileSync(file, `${JSON.stringify(config, undefined, 2)}\n`, { flag: "wx" });
  const tokens = made.map(({ token, entry: { id, role } }) => ({ id, role, token }));
  return { config: file, deviceId: config.deviceId, tokens };
}

/** Writes a file that only its owner can read, whatever the umask. */
function writeSecret(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600, flag: "wx" });
  chmodSync(path, 0o600);
}

function configOf(init: GatewayInit, folder: string): GatewayConfigFile & { readonly deviceId: string } {
  const { face, voice, port } = init;
  if (face === undefined && voice === undefined)
    throw fail("USAGE", "Cannot make a gateway of no models: give --face with --detector, or --voice, or both");
  const paths = (model: string): { readonly model: string; readonly card: string } => ({
    model: relative(folder, resolve(model)),
    card: relative(folder, resolve(cardPath(model, init.cards))),
  });
  return {
    version: 1,
    deviceId: `device-${randomBytes(8).toString("hex")}`,
    ...(port !== undefined && { listen: { port } }),
    ...(face && {
      face: {
        detector: paths(face.detector),
        ...(face.liveness !== undefined && { liveness: { ...paths(face.liveness), threshold: face.livenessThreshold } }),
        embedder: paths(face.embedder),
        decision: face.decision,
      },
    }),
    ...(voice && {
      voice: {
        ...(voice.vad !== undefined && { vad: paths(voice.vad) }),
        embedder: paths(voice.embedder),
        decision: voice.decision,
      },
    }),
  };
}

/** Where the card of a model lies, which is read to see that it is one; so is the model to see that it is there. @throws CARD_INVALID, IO */
function cardPath(model: string, cards: string | undefined): string {
  fileSize(model);
  const path = findCardPath(model, { cards });
  parseCard(readBytes(path));
  return path;
}
