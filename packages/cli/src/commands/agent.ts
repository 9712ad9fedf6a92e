import { fail } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import { readHardware } from "@tessera/runtimes/hardware";
import { startAgent } from "@tessera/runtimes/remote/agent";
import { AGENT_RUNTIMES } from "@tessera/runtimes/remote/agent-work";
import { AGENT_LIMITS } from "@tessera/runtimes/remote/limits";
import { isLoopbackHost } from "@tessera/runtimes/remote/loopback";
import { readToken, writeNewToken } from "@tessera/runtimes/remote/token";
import { hostAndPort, pemOf } from "../ui/device-options.ts";
import { printJson, printLines } from "../ui/print.ts";
import { sizeOption } from "../ui/size-option.ts";
import { choiceOption, type VerbTools, verb } from "../ui/verb.ts";
import { TESSERA_VERSION } from "../version.ts";
import { createRuntimes } from "../work/runtime.ts";
import { stopAsked } from "../work/stop-asked.ts";

export const agent = verb(
  {
    name: "agent",
    description: "Run models for `bench --on` and `optimize --on` of another machine, so that a device's figures are its own",
  },
  {
    listen: { type: "string", description: "HOST:PORT to listen on", default: "127.0.0.1:7411" },
    "token-file": { type: "string", description: "File with the token that callers must know, readable by its owner only" },
    "new-token": { type: "string", description: "Write a new token into this file and end; copy the file to the other machine" },
    "max-model": { type: "string", description: "Largest model taken, and all that are kept together" },
    runtimes: { type: "string", description: `Which of ${AGENT_RUNTIMES.join(", ")} to offer`, default: "ort-node,litert" },
    "tls-cert": { type: "string", description: "Certificate chain (PEM), to encrypt; with --tls-key" },
    "tls-key": { type: "string", description: "Its key (PEM)" },
    "insecure-http": {
      type: "boolean",
      description: "Listen beyond this machine although token and models are in the clear",
      default: false,
    },
  },
  async (args, tools) => {
    const newToken = args["new-token"];
    if (newToken !== undefined) {
      writeNewToken(newToken);
      if (tools.json) printJson({ token: newToken });
      else
        printLines(
          `written: ${newToken}`,
          `next: tessera agent --token-file ${newToken}, and a copy of the file where bench runs`,
        );
      return 0;
    }
    const tokenFile = args["token-file"];
    if (tokenFile === undefined)
      throw fail("USAGE", "Cannot start without a token: whoever reaches the port could run models here", {
        hint: "Make one with `tessera agent --new-token FILE` and give it with --token-file FILE",
      });
    const [cert, key] = [args["tls-cert"], args["tls-key"]];
    if ((cert === undefined) !== (key === undefined)) throw fail("USAGE", "Cannot encrypt: --tls-cert and --tls-key go together");
    const tls = cert === undefined || key === undefined ? {} : { tls: { cert: pemOf(cert), key: pemOf(key) } };
    const { host, port } = hostAndPort("listen", args.listen);
    const token = readToken(tokenFile);
    const say = (line: string): void => void (tools.quiet || process.stderr.write(`${line}\n`));
    const modelBytes = sizeOption("max-model", args["max-model"]) ?? AGENT_LIMITS.modelBytes;
    const running = await startAgent({
      host,
      port,
      token,
      version: TESSERA_VERSION,
      hardware: await readHardware(),
      runtimes: await offered(args.runtimes, say),
      ...tls,
      insecureHttp: args["insecure-http"],
      limits: { modelBytes },
      log: (line) => say(`${new Date().toISOString()} ${line}`),
    });
    // Even when quiet: nobody should find out later.
    if (cert === undefined && !isLoopbackHost(host))
      process.stderr.write(
        "WARNING: token and models cross the network in the clear; whoever reads along can run models here. Use --tls-cert and --tls-key, or an SSH tunnel to 127.0.0.1\n",
      );
    return serveUntilStopped(running, { secure: cert !== undefined, tools });
  },
);

async function serveUntilStopped(
  running: Awaited<ReturnType<typeof startAgent>>,
  { secure, tools }: { readonly secure: boolean; readonly tools: VerbTools },
): Promise<number> {
  const host = running.host.includes(":") ? `[${running.host}]` : running.host;
  const address = `${secure ? "https://" : ""}${host}:${running.port}`;
  if (tools.json) printJson({ listening: address });
  else printLines(`listening on ${address}`);
  await stopAsked(tools.signal);
  await running.close();
  return 0;
}

/** The runtimes of a list; those that are not installed are left out, aloud. @throws USAGE, RUNTIME_MISSING when none is */
async function offered(list: string, say: (line: string) => void): Promise<readonly Runtime[]> {
  const runtimes = createRuntimes();
  const found: Runtime[] = [];
  let missing: unknown;
  for (const name of new Set(list.split(","))) {
    const id = choiceOption("runtimes", name, AGENT_RUNTIMES);
    try {
      found.push(await runtimes.get(id));
    } catch (error) {
      missing = error;
      say(`without ${id}: ${(error as Error).message}`);
    }
  }
  if (found.length === 0) throw missing;
  return found;
}
