/**
 * A process to be killed: works on a store for ever and says on stdout what it is about to do and what was acknowledged. Started with the folder and
 * a seed; waits for a line on stdin before it opens the store, so that the next one can start while this one still runs.
 */
import { writeSync } from "node:fs";
import { seededRandom } from "@tessera/core/base/random";
import { openStore } from "@tessera/gateway/store/open";
import { quickKeys } from "./quick-keys.ts";
import { doStep, type StoreStep, TELLING_POLICY } from "./store-model.ts";

const PEOPLE = ["anna", "ben", "cleo", "dora"];

/** What the victim does next. */
function victimStep(random: { int(below: number): number }): StoreStep {
  const subject = PEOPLE[random.int(PEOPLE.length)] ?? "";
  switch (random.int(10)) {
    case 0:
    case 1:
      return { kind: "remove", subject };
    case 2:
      return { kind: "renew", subject };
    case 3:
      return { kind: "audit", event: `event ${random.int(1000)}` };
    case 4:
      return { kind: "compact", rotate: random.int(4) === 0 };
    case 5:
    case 6:
      return { kind: random.int(4) === 0 ? "unlock" : "fail", key: subject };
    default:
      return { kind: "enrol", subject, modalities: random.int(2) === 0 ? ["face"] : ["face", "voice"], seed: 1 + random.int(50) };
  }
}

/** Works until it is killed. Lines: "open", then "do STEP" and "done" for each step. */
export async function beVictim(dir: string, seed: number): Promise<void> {
  await new Promise((resolve) => process.stdin.once("data", resolve));
  const random = seededRandom(seed);
  const store = await openStore({ dir, deviceId: "device", keys: quickKeys(), policy: TELLING_POLICY });
  // Straight to the pipe: what was written there is there even if the process dies at once.
  writeSync(1, "open\n");
  for (;;) {
    const step = victimStep(random);
    writeSync(1, `do ${JSON.stringify(step)}\n`);
    await doStep(store, step);
    writeSync(1, "done\n");
  }
}
