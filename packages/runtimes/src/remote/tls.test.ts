import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ONNX_FILES } from "@tessera/testkit/runtime-files";
import { expect, test } from "vitest";
import { readHardware } from "../hardware.ts";
import { ortNodeRuntime } from "../ort-node.ts";
import { startAgent } from "./agent.ts";
import { connectDevice } from "./connect.ts";

/** A tool of the system, not of this package. */
const OPENSSL = "openssl";

/** A certificate of this machine for an hour, made by openssl; `undefined` where that is not installed. */
function certificate(): { readonly cert: string; readonly key: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), "tessera-tls-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const about = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "1"];
  try {
    execFileSync(OPENSSL, ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, ...about], {
      stdio: "ignore",
      timeout: 20_000,
    });
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const tls = certificate();

test.skipIf(tls === undefined)("encrypted, an agent is believed by its certificate only (needs openssl)", async () => {
  if (tls === undefined) return;
  const token = "Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHNlY3JldA";
  const runtimes = [await ortNodeRuntime({ worker: false })];
  const agent = await startAgent({
    host: "127.0.0.1",
    port: 0,
    token,
    version: "1",
    hardware: await readHardware(),
    runtimes,
    tls,
  });
  const address = { ...agent, token };
  const lost = expect.objectContaining({ code: "RUNTIME_FAILED", message: expect.stringContaining("Cannot reach the device") });
  for (const wrong of [address, { ...address, tls: {} }]) await expect(connectDevice(wrong)).rejects.toThrow(lost);
  const device = await connectDevice({ ...address, tls: { ca: tls.cert } });
  await (await device.runtime("ort-node").load(ONNX_FILES.add())).close();
  await device.close();
  await agent.close();
});
