import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { errno } from "./errno.ts";

/**
 * Claims a folder for this process. The claim names the process and when it began, so that one who died does not hold it, even when somebody else
 * has its number now. Resolves with a function that gives the folder back.
 * @throws STORE_BUSY
 */
export async function claimFolder(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, "lock");
  const mine = `${process.pid} ${(await beginning(process.pid)) ?? "?"} ${crypto.randomUUID()}\n`;
  const draft = join(dir, `lock.${process.pid}.${crypto.randomUUID()}`);
  await writeFile(draft, mine, { mode: 0o600 });
  try {
    for (let round = 0; round < 5; round++) {
      try {
        // A link to a finished file: nobody ever sees half a claim, and only one process can make it.
        await link(draft, path);
        return async () => {
          if ((await textOf(path)) === mine) await rm(path, { force: true });
        };
      } catch (error) {
        if (errno(error) !== "EEXIST") throw fail("IO", `Cannot claim the store's folder: ${errno(error)}`, { cause: error });
      }
      await removeStale(path, draft);
    }
    throw fail("STORE_BUSY", "Cannot open the store: others keep claiming its folder");
  } finally {
    await rm(draft, { force: true });
  }
}

async function removeStale(path: string, draft: string): Promise<void> {
  const claim = await textOf(path);
  if (claim === undefined) return;
  const [pid = "", since = ""] = claim.split(" ");
  if (await lives(Number(pid), since)) throw fail("STORE_BUSY", `Cannot open the store: process ${pid} has it open`);
  // Moved aside before it goes, so that of two who find it stale the slower one cannot remove the quicker one's new claim.
  const aside = `${draft}.stale`;
  await rename(path, aside).catch(() => undefined);
  const moved = await textOf(aside);
  if (moved !== undefined && moved !== claim) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

async function lives(pid: number, since: string): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errno(error) === "EPERM";
  }
  const began = await beginning(pid);
  return began === undefined || since === "?" || began === since;
}

/** When a process began, in the kernel's ticks, with the boot it belongs to; `undefined` where the system does not say. */
async function beginning(pid: number): Promise<string | undefined> {
  const stat = await textOf(`/proc/${pid}/stat`);
  const boot = await textOf("/proc/sys/kernel/random/boot_id");
  // The name of the program may hold blanks and parentheses; the fields are counted behind it.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = fields?.[19];
  if (ticks === undefined || boot === undefined) return undefined;
  // A zombie is dead, only nobody has asked for its end yet.
  return fields?.[0] === "Z" || fields?.[0] === "X" ? "ended" : `${ticks}@${boot.trim()}`;
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
