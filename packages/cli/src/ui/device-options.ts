import { readFileSync } from "node:fs";
import { fail } from "@tessera/core/base/error";
import type { AgentAddress } from "@tessera/runtimes/remote/ask";
import { isLoopbackHost } from "@tessera/runtimes/remote/loopback";
import { readToken } from "@tessera/runtimes/remote/token";

/** Options of every verb that takes times, to have them taken on another machine. */
export const DEVICE_OPTIONS = {
  on: {
    type: "string",
    description: "HOST:PORT or https://HOST:PORT of `tessera agent` on a device: times and memory are then its own",
  },
  "token-file": { type: "string", description: "File with the token of that agent, readable by its owner only" },
  "tls-ca": {
    type: "string",
    description: "Certificate (PEM) to check an https agent against, where Node does not trust it already",
  },
} as const;

/** The parsed values of {@link DEVICE_OPTIONS}. */
export interface DeviceArgs {
  readonly on?: string | undefined;
  readonly "token-file"?: string | undefined;
  readonly "tls-ca"?: string | undefined;
}

/** A host and a port out of `HOST:PORT` or `[IPV6]:PORT`. @throws USAGE */
export function hostAndPort(name: string, text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || !(port <= 65_535))
    throw fail("USAGE", `Cannot use --${name} ${text}: it must be HOST:PORT, with [ ] around an IPv6 address`);
  return { host, port };
}

/** The device to measure on; `undefined` for this machine. @throws USAGE, IO */
export function deviceOption(args: DeviceArgs): AgentAddress | undefined {
  const { on, "token-file": tokenFile, "tls-ca": caFile } = args;
  if (on === undefined) {
    if (tokenFile !== undefined || caFile !== undefined)
      throw fail("USAGE", "Cannot use --token-file or --tls-ca without --on HOST:PORT");
    return undefined;
  }
  if (tokenFile === undefined)
    throw fail("USAGE", "Cannot measure on a device without the token of its agent", {
      hint: "Give a copy of the agent's token file with --token-file",
    });
  const secure = on.startsWith("https://");
  if (!secure && caFile !== undefined)
    throw fail("USAGE", "Cannot use --tls-ca with an agent in the clear: write --on https://HOST:PORT");
  const { host, port } = hostAndPort("on", on.replace(/^https?:\/\//, "").replace(/\/$/, ""));
  if (!secure && !isLoopbackHost(host))
    process.stderr.write(
      `WARNING: token and models go to ${host} in the clear; use an agent with --tls-cert, or an SSH tunnel\n`,
    );
  return {
    host,
    port,
    token: readToken(tokenFile),
    ...(secure ? { tls: caFile === undefined ? {} : { ca: pemOf(caFile) } } : {}),
  };
}

/** The text of a PEM file. @throws IO */
export function pemOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw fail("IO", `Cannot read ${path}: ${(cause as Error).message}`, { cause, at: { file: path } });
  }
}
