import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A gateway in a process of its own, as the command runs it. */
export interface GatewayProcess {
  readonly url: string;
  readonly pid: number;
  /** Ends it as a system does; its exit code and all that it printed. */
  stop(signal?: "SIGTERM" | "SIGINT"): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
}

/** Runs `tessera gateway` on a folder from the sources, and waits until it listens. @throws Error with what it printed when it ends before */
export async function spawnGateway(home: string): Promise<GatewayProcess> {
  const main = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", "--conditions=source", main, "gateway", home], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (data) => {
      err += data;
      const found = /listening on (\S+)\n/.exec(err)?.[1];
      if (found !== undefined) resolve(found);
    });
    ended.then((code) => reject(new Error(`The gateway ended with ${code}: ${err}`)), reject);
  });
  return {
    url,
    pid: child.pid ?? 0,
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return { code: await ended, out, err };
    },
  };
}
