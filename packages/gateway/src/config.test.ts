import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkConfig, type GatewayConfigFile, readConfig } from "./config.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const least = {
  version: 1,
  deviceId: "door-7",
  face: {
    detector: { model: "models/yunet.onnx" },
    embedder: { model: "models/net.v2.onnx", card: "cards/net.json" },
    decision: { far: 0.001 },
  },
} as const satisfies GatewayConfigFile;

const file = "/etc/gateway/gateway.json";
const check = (change: object) => checkConfig({ ...least, ...change }, { file });
const wrong = (words: string) => expect.objectContaining({ code: "GATEWAY_CONFIG", message: expect.stringContaining(words) });

describe("checkConfig", () => {
  test("fills in what is left out, on the safe side, and starts paths from the file", () => {
    const config = check({});
    expect(config.listen).toEqual({ host: "127.0.0.1", port: 7443, insecureHttp: false });
    expect(config).toMatchObject({
      dataDir: "/etc/gateway/data",
      tokens: "/etc/gateway/tokens.json",
      keys: { provider: "file", passphraseFile: "/etc/gateway/passphrase" },
      decision: { mode: "all", identify: {} },
      enrol: { duplicates: "refuse" },
      lockout: { tries: 5, firstWaitMs: 30_000 },
      webauthn: false,
      log: "info",
    });
    expect(config.face).toEqual({
      detector: { model: "/etc/gateway/models/yunet.onnx", card: "/etc/gateway/models/yunet.card.json" },
      embedder: { model: "/etc/gateway/models/net.v2.onnx", card: "/etc/gateway/cards/net.json" },
      decision: { far: 0.001 },
    });
  });

  test("refuses unknown fields at every depth, naming them", () => {
    expect(() => check({ lisen: {} })).toThrow(wrong("lisen: there is no such field"));
    expect(() => check({ listen: { hots: "x" } })).toThrow(wrong("listen.hots: there is no such field"));
    expect(() => check({ face: { ...least.face, embedder: { model: "m", crad: "c" } } })).toThrow(
      wrong("face.embedder.crad: there is no such field"),
    );
    expect(() => check({ limits: { maxBodyByte: 1 } })).toThrow(wrong("limits.maxBodyByte"));
  });

  test("refuses wrong values, naming the field", () => {
    const cases: readonly [object, string][] = [
      [{ version: 2 }, "version"],
      [{ deviceId: "a b" }, "deviceId: must be 1 to 64"],
      [{ listen: { port: 70_000 } }, "listen.port"],
      [{ workers: 0 }, "workers: must be at least 1"],
      [{ workers: 1.5 }, "workers: must be a whole number"],
      [{ face: undefined }, "face: there must be face or voice"],
      [{ face: { ...least.face, decision: { far: 0 } } }, "face.decision.far: must be above 0"],
      [{ face: { ...least.face, decision: { threshold: 0.5 } } }, "face.decision: must be"],
      [{ face: { ...least.face, decision: { far: 0.1, threshold: 0.5, note: "x" } } }, "face.decision: must be"],
      [{ face: { ...least.face, liveness: { model: "m", threshold: 1.5 } } }, "face.liveness.threshold"],
      [{ decision: { mode: "fused" } }, "decision.fusion: must be there"],
      [{ decision: { fusion: { model: "f", threshold: 1, note: "n" } } }, "decision.fusion: must be there"],
      [{ keys: { provider: "none" } }, "keys: must be"],
      [{ limits: { maxBodyBytes: 1 << 27 } }, "limits.maxHeldBytes"],
      [{ log: "loud" }, "log"],
    ];
    for (const [change, words] of cases) expect(() => check(change), words).toThrow(wrong(words));
  });

  test("takes keys from a passphrase, a TPM or a token, and nothing else", () => {
    const token = { provider: "pkcs11", module: "lib/soft.so", tokenLabel: "gw", keyId: "01", pinFile: "pin" };
    expect(check({ keys: token }).keys).toEqual({ ...token, module: "/etc/gateway/lib/soft.so", pinFile: "/etc/gateway/pin" });
    expect(check({ keys: { provider: "tpm2", pcrs: "sha256:7" } }).keys).toEqual({ provider: "tpm2", pcrs: "sha256:7" });
    expect(
      check({ keys: { provider: "file", passphraseEnv: "PASS" }, anchor: { provider: "tpm2", index: "0x1500016" } }).anchor,
    ).toEqual({
      provider: "tpm2",
      index: "0x1500016",
    });
    for (const keys of [{ ...token, pin: "1234" }, { provider: "file" }, { provider: "tpm2", passphraseFile: "x" }])
      expect(() => check({ keys })).toThrow(expect.objectContaining({ code: "GATEWAY_CONFIG" }));
  });

  test("listens beyond this machine only with TLS, or when somebody says that it is not encrypted", () => {
    for (const host of ["0.0.0.0", "::", "192.168.1.5", "gateway.local", "127.0.0.1.example.org"]) {
      expect(() => check({ listen: { host } })).toThrow(wrong("open to the network"));
      expect(check({ listen: { host, insecureHttp: true } }).listen.host).toBe(host);
      expect(check({ listen: { host, tls: { key: "k.pem", cert: "c.pem" } } }).listen.tls).toEqual({
        key: "/etc/gateway/k.pem",
        cert: "/etc/gateway/c.pem",
      });
    }
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) expect(check({ listen: { host } }).listen.host).toBe(host);
  });
});

describe("readConfig", () => {
  test("reads a file, or that of a folder", () => {
    writeFileSync(join(folder, "gateway.json"), JSON.stringify(least));
    expect(readConfig(folder)).toEqual(readConfig(join(folder, "gateway.json")));
    expect(readConfig(folder).dataDir).toBe(join(folder, "data"));
  });

  test("says what is the matter with a file that is none", () => {
    expect(() => readConfig(join(folder, "none"))).toThrow(wrong("there is no such file"));
    writeFileSync(join(folder, "broken.json"), "{");
    expect(() => readConfig(join(folder, "broken.json"))).toThrow(wrong("Cannot read"));
  });
});
