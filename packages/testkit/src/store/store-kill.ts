import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "@tessera/core/base/random";
import { openStore } from "@tessera/gateway/store/open";
import { quickKeys } from "./quick-keys.ts";
import { differenceOf, EMPTY_MODEL, modelAfter, type StoreModel, type StoreStep, TELLING_POLICY } from "./store-model.ts";
import { beVictim } from "./store-victim.ts";

const CODE = `import { ${beVictim.name} as run } from "@tessera/testkit/store/store-victim"; await run(process.argv[1], Number(process.argv[2]));`;

/** What became of the processes that were killed. */
export interface KillReport {
  readonly kills: number;
  readonly acknowledged: number;
  /** Kills within a step: of these the store had taken so many, and so many not. */
  readonly taken: number;
  readonly dropped: number;
  /** Kills while the store was being opened. */
  readonly opening: number;
}

/**
 * Lets processes work on one store, kills each with SIGKILL at a random moment, and opens the store after each: it must hold exactly what was
 * acknowledged, or that and the one step that was under way. Throws at the first that does not.
 */
export async function killRounds(dir: string, options: { readonly rounds: number; readonly seed: number }): Promise<KillReport> {
  const random = seededRandom(options.seed);
  const counts = { kills: 0, acknowledged: 0, taken: 0, dropped: 0, opening: 0 };
  let model = EMPTY_MODEL;
  let victim = startVictim(dir, options.seed);
  for (let round = 1; round <= options.rounds; round++) {
    const next = round < options.rounds ? startVictim(dir, options.seed + round) : undefined;
    const said = await runAndKill(victim, {
      delayMs: random.int(4) === 0 ? random.int(8) : random.int(120),
      early: random.int(8) === 0,
    });
    counts.kills++;
    const before = model;
    let pending: StoreStep | undefined;
    for (const line of said.split("\n")) {
      if (line.startsWith("do {") && line.endsWith("}")) pending = JSON.parse(line.slice(3));
      if (line !== "done" || pending === undefined) continue;
      model = modelAfter(model, pending);
      pending = undefined;
      counts.acknowledged++;
    }
    if (!said.startsWith("open")) counts.opening++;
    const possible = pending === undefined ? [model] : [modelAfter(model, pending), model];
    const found = await stateOnDisk(dir, possible).catch((cause: unknown) => {
      throw new Error(`Round ${round}: ${String(cause)} after ${JSON.stringify([...before.templates])} and ${said}`, { cause });
    });
    if (pending !== undefined && possible[0] !== model) {
      if (found === possible[0]) counts.taken++;
      else counts.dropped++;
    }
    model = found;
    if (next !== undefined) victim = next;
  }
  return counts;
}

type Victim = ChildProcessByStdio<Writable, Readable, null>;

function startVictim(dir: string, seed: number): Victim {
  const args = ["--import", "tsx", "--conditions=source", "--input-type=module", "--eval", CODE, dir, String(seed)];
  return spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
}

/** Lets a victim go, kills it, and returns all it said. */
async function runAndKill(victim: Victim, how: { readonly delayMs: number; readonly early: boolean }): Promise<string> {
  let said = "";
  const opened = new Promise<void>((resolve) => {
    victim.stdout.on("data", (bytes: Buffer) => {
      said += bytes.toString("latin1");
      if (how.early ? said.length > 0 : said.includes("open\n")) resolve();
    });
  });
  const ended = new Promise<void>((resolve) => victim.on("close", () => resolve()));
  victim.stdin.write("go\n");
  if (!how.early) await Promise.race([opened, ended]);
  await sleep(how.delayMs);
  victim.kill("SIGKILL");
  await ended;
  return said;
}

async function stateOnDisk(dir: string, possible: readonly StoreModel[]): Promise<StoreModel> {
  // A clock before everything on record: every wait shows whole.
  const clock = { wallMs: () => 0, monotonicMs: () => 0 };
  const store = await openStore({ dir, deviceId: "device", keys: quickKeys(), policy: TELLING_POLICY, clock });
  try {
    const why: (string | undefined)[] = [];
    for (const model of possible) {
      const difference = await differenceOf(store, model, ["anna", "ben", "cleo", "dora"]);
      if (difference === undefined) return model;
      why.push(difference);
    }
    throw new Error(`the store ${why.join("; or ")}`);
  } finally {
    await store.close();
  }
}
