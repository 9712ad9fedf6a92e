import { existsSync } from "node:fs";
import { fail } from "@tessera/core/base/error";
import { readConfig } from "@tessera/gateway/config";
import { ROLES } from "@tessera/gateway/http/roles";
import { anchorOf, keysOf } from "@tessera/gateway/key-config";
import { startGateway } from "@tessera/gateway/start";
import { openStore } from "@tessera/gateway/store/open";
import { printJson, printLines } from "../ui/print.ts";
import { renderTable } from "../ui/table.ts";
import { choiceOption, numberOption, type VerbTools, verb } from "../ui/verb.ts";
import { TESSERA_VERSION } from "../version.ts";
import { type GatewayInit, initGateway } from "../work/gateway-init.ts";
import { addToken, readTokens, revokeToken } from "../work/gateway-tokens.ts";
import { stopAsked } from "../work/stop-asked.ts";

const TOKEN_ACTIONS = ["add", "list", "revoke"] as const;
const ACTIONS = ["init", "run", "token", "verify-audit"] as const;

export const gateway = verb(
  {
    name: "gateway",
    description:
      "Recognise people on this device: tessera gateway init DIR, gateway run DIR, gateway token add DIR, gateway verify-audit DIR",
    rest: true,
  },
  {
    action: { type: "positional", description: `${ACTIONS.join(", ")}; or a folder or gateway.json to run`, required: true },
    face: { type: "string", description: "init: the model that embeds faces" },
    detector: { type: "string", description: "init: the model that finds faces and their landmarks" },
    liveness: { type: "string", description: "init: the model that tells living faces from pictures of them" },
    voice: { type: "string", description: "init: the model that embeds voices" },
    vad: { type: "string", description: "init: the model that finds speech" },
    cards: {
      type: "string",
      description: "init: folder with the cards of the models, where they are not next to them; found by name, or by modelSha256",
    },
    far: {
      type: "string",
      description: "init: false accept rate; the cards must have a threshold for it, as those that evaluate --out writes do",
      default: "0.001",
    },
    "face-threshold": { type: "string", description: "init: a threshold for faces instead of that of the card; needs --note" },
    "voice-threshold": { type: "string", description: "init: a threshold for voices instead of that of the card; needs --note" },
    "liveness-threshold": { type: "string", description: "init: least probability of a living face", default: "0.5" },
    note: { type: "string", description: "init: why these thresholds" },
    port: { type: "string", description: "init: port to listen on" },
    role: { type: "string", description: `token add: ${ROLES.join(", ")}`, default: "capture" },
    name: { type: "string", description: "token add, token revoke: name of the caller" },
  },
  async (args, tools) => {
    const { action } = args;
    switch (action) {
      case "init":
        return init(args, tools);
      case "run":
        return run(word(tools, 0, "the gateway's folder"), tools);
      case "token":
        return token(args, tools);
      case "verify-audit":
        return verifyAudit(word(tools, 0, "the gateway's folder"), tools);
      default:
        if (!existsSync(action)) throw fail("USAGE", `Cannot "${action}" a gateway: say ${ACTIONS.join(", ")}, or name a folder`);
        if (tools.rest.length > 0) throw fail("USAGE", `Cannot use "${tools.rest[0]}": the verb takes no further word there`);
        return run(action, tools);
    }
  },
);

interface Args {
  readonly face?: string | undefined;
  readonly detector?: string | undefined;
  readonly liveness?: string | undefined;
  readonly voice?: string | undefined;
  readonly vad?: string | undefined;
  readonly cards?: string | undefined;
  readonly far: string;
  readonly "face-threshold"?: string | undefined;
  readonly "voice-threshold"?: string | undefined;
  readonly "liveness-threshold": string;
  readonly note?: string | undefined;
  readonly port?: string | undefined;
  readonly role: string;
  readonly name?: string | undefined;
}

/** A word after the action. @throws USAGE when it is missing, or when one too many follows */
function word(tools: VerbTools, at: number, what: string): string {
  const extra = tools.rest[at + 1];
  if (extra !== undefined) throw fail("USAGE", `Cannot use "${extra}": the verb takes no further word there`);
  const found = tools.rest[at];
  if (found === undefined) throw fail("USAGE", `Cannot go on: name ${what}`);
  return found;
}

function decision(
  args: Args,
  name: string,
  threshold: string | undefined,
): { far: number } | { threshold: number; note: string } {
  const given = numberOption(name, threshold, { min: -1, max: 10 });
  if (given === undefined) return { far: numberOption("far", args.far, { min: 1e-9, max: 0.5 }) as number };
  if (args.note === undefined || args.note === "")
    throw fail("USAGE", `Cannot use --${name} alone: say with --note why this threshold, it stands in the configuration`);
  return { threshold: given, note: args.note };
}

async function init(args: Args, tools: VerbTools): Promise<number> {
  const folder = word(tools, 0, "a folder to make");
  const { face, detector, liveness, voice, vad, cards } = args;
  if ((face === undefined) !== (detector === undefined))
    throw fail("USAGE", "Cannot recognise faces: --face and --detector go together");
  if (liveness !== undefined && face === undefined) throw fail("USAGE", "Cannot use --liveness without --face");
  if (vad !== undefined && voice === undefined) throw fail("USAGE", "Cannot use --vad without --voice");
  const port = numberOption("port", args.port, { min: 0, max: 65_535 });
  const wanted: GatewayInit = {
    folder,
    ...(cards !== undefined && { cards }),
    ...(port !== undefined && { port }),
    ...(face !== undefined &&
      detector !== undefined && {
        face: {
          detector,
          embedder: face,
          ...(liveness !== undefined && { liveness }),
          livenessThreshold: numberOption("liveness-threshold", args["liveness-threshold"], { min: 0, max: 1 }) as number,
          decision: decision(args, "face-threshold", args["face-threshold"]),
        },
      }),
    ...(voice !== undefined && {
      voice: {
        embedder: voice,
        ...(vad !== undefined && { vad }),
        decision: decision(args, "voice-threshold", args["voice-threshold"]),
      },
    }),
  };
  const made = await initGateway(wanted);
  if (tools.json) printJson(made);
  else {
    printLines(
      `written: ${made.config}`,
      `device: ${made.deviceId}`,
      "",
      "Tokens. They are shown this once; the gateway keeps only their hashes.",
      renderTable(
        [{ title: "role" }, { title: "token" }],
        made.tokens.map((t) => [t.role, t.token]),
      ),
      `next: tessera gateway run ${folder}`,
    );
  }
  return 0;
}

async function run(path: string, tools: VerbTools): Promise<number> {
  const running = await startGateway(readConfig(path), { version: TESSERA_VERSION });
  process.stderr.write(`listening on ${running.url}\n`);
  await stopAsked(tools.signal);
  await running.close();
  return 0;
}

function token(args: Args, tools: VerbTools): number {
  const [what] = tools.rest;
  const known = TOKEN_ACTIONS.find((action) => action === what);
  if (known === undefined)
    throw fail(
      "USAGE",
      `Cannot ${what === undefined ? "manage tokens" : `"${what}" a token`}: say gateway token ${TOKEN_ACTIONS.join(", ")}, and the folder`,
    );
  const { tokens } = readConfig(word(tools, 1, "the gateway's folder"));
  if (known === "list") {
    const entries = readTokens(tokens).map(({ id, role }) => ({ id, role }));
    if (tools.json) printJson(entries);
    else
      printLines(
        renderTable(
          [{ title: "name" }, { title: "role" }],
          entries.map((e) => [e.id, e.role]),
        ),
      );
    return 0;
  }
  if (args.name === undefined) throw fail("USAGE", `Cannot ${known} a token: name the caller with --name`);
  if (known === "revoke") {
    revokeToken(tokens, args.name);
    if (tools.json) printJson({ revoked: args.name });
    else printLines(`revoked: ${args.name}`);
    return 0;
  }
  const role = choiceOption("role", args.role, ROLES);
  const made = addToken(tokens, args.name, role);
  if (tools.json) printJson({ id: args.name, role, token: made });
  else printLines(made);
  return 0;
}

/** Goes over the whole audit log of a gateway that does not run. */
async function verifyAudit(path: string, tools: VerbTools): Promise<number> {
  const config = readConfig(path);
  const keys = await keysOf(config);
  const anchor = anchorOf(config);
  const { dataDir: dir, deviceId } = config;
  const store = await openStore({ dir, deviceId, keys, ...(anchor && { anchor }) });
  try {
    const found = await store.audit.verify();
    if (tools.json) printJson(found);
    else printLines(`whole: ${found.entries} entries, ${found.first} to ${found.last}`, `hash of the last: ${found.hash}`);
    return 0;
  } finally {
    await store.close();
    keys.close?.();
  }
}
