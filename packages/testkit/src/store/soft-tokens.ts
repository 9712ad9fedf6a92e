import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A TPM in software. */
export interface SoftTpm {
  /** For TPM2TOOLS_TCTI. */
  readonly tcti: string;
  stop(): Promise<void>;
}

/** A token in software with two key pairs. */
export interface SoftToken {
  readonly module: string;
  readonly tokenLabel: string;
  readonly keyId: string;
  /** A second key pair. */
  readonly otherId: string;
  readonly pin: Uint8Array;
  stop(): void;
}

const MODULES = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
  "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/** Why a TPM in software cannot be had here; `undefined` when it can. */
export function noSoftTpm(): string | undefined {
  return missing("swtpm") ?? missing("tpm2");
}

/** Why a token in software cannot be had here; `undefined` when it can. */
export function noSoftToken(): string | undefined {
  const module = MODULES.find((path) => existsSync(path)) === undefined ? "SoftHSM is not installed" : undefined;
  return missing("softhsm2-util") ?? missing("pkcs11-tool") ?? module;
}

/** Starts a TPM of its own. */
export async function startSoftTpm(): Promise<SoftTpm> {
  const dir = mkdtempSync(join(tmpdir(), "tessera-swtpm-"));
  const socket = join(dir, "sock");
  const args = [
    "--tpmstate",
    `dir=${dir}`,
    "--server",
    `type=unixio,path=${socket}`,
    "--ctrl",
    `type=unixio,path=${socket}.ctrl`,
  ];
  const child: ChildProcess = spawn("swtpm", ["socket", "--tpm2", ...args, "--flags", "not-need-init,startup-clear"], {
    stdio: "ignore",
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  for (let i = 0; i < 200 && !existsSync(`${socket}.ctrl`); i++) await sleep(25);
  return {
    tcti: `swtpm:path=${socket}`,
    async stop() {
      child.kill();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Makes a token with RSA key pairs. SoftHSM is told where it lives by the environment of this process. */
export function startSoftToken(): SoftToken {
  const dir = mkdtempSync(join(tmpdir(), "tessera-softhsm-"));
  mkdirSync(join(dir, "tokens"));
  writeFileSync(join(dir, "softhsm2.conf"), `directories.tokendir = ${join(dir, "tokens")}\n`);
  process.env["SOFTHSM2_CONF"] = join(dir, "softhsm2.conf");
  const module = MODULES.find((path) => existsSync(path)) ?? "";
  const [tokenLabel, keyId, otherId, pin] = ["tessera-test", "01", "02", "246810"];
  const quiet = { stdio: "ignore", env: { ...process.env, TESSERA_TEST_PIN: pin } } as const;
  execFileSync("softhsm2-util", ["--init-token", "--free", "--label", tokenLabel, "--pin", pin, "--so-pin", "135790"], quiet);
  const login = ["--module", module, "--token-label", tokenLabel, "--login", "--pin", "env:TESSERA_TEST_PIN"];
  for (const id of [keyId, otherId]) {
    execFileSync("pkcs11-tool", [...login, "--keypairgen", "--key-type", "rsa:2048", "--label", `key ${id}`, "--id", id], quiet);
  }
  return {
    module,
    tokenLabel,
    keyId,
    otherId,
    pin: Buffer.from(pin),
    stop() {
      delete process.env["SOFTHSM2_CONF"];
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function missing(command: string): string | undefined {
  const found = (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, command)));
  return found ? undefined : `${command} is not installed`;
}
