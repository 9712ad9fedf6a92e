import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claimFolder } from "./lock-file.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tessera-claim-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe("a claim on a folder", () => {
  it("is had by one of many who ask at once, and by the next once it is given back", async () => {
    const asked = await Promise.allSettled(Array.from({ length: 10 }, () => claimFolder(dir)));
    const had = asked.filter((one) => one.status === "fulfilled");
    expect(had.length).toBe(1);
    for (const one of asked) if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "STORE_BUSY" });
    await had[0]?.value();
    expect(await readdir(dir)).toEqual([]);
    await (await claimFolder(dir))();
  });

  it("passes on from a process that died, also when another one has its number, but not from one that lives", async () => {
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "ignore" });
    try {
      await writeFile(join(dir, "lock"), `${child.pid} ? x\n`);
      await expect(claimFolder(dir)).rejects.toMatchObject({ code: "STORE_BUSY" });
      if (process.platform === "linux") {
        await writeFile(join(dir, "lock"), `${child.pid} 1@another-boot x\n`);
        await (await claimFolder(dir))();
        await writeFile(join(dir, "lock"), `${child.pid} ? x\n`);
      }
    } finally {
      const ended = new Promise((resolve) => child.on("close", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    const release = await claimFolder(dir);
    expect(await readFile(join(dir, "lock"), "utf8")).toMatch(new RegExp(`^${process.pid} `));
    await release();
  });

  it("of ten who find it stale at once only one gets it", async () => {
    await writeFile(join(dir, "lock"), "999999999 1@gone x\n");
    const asked = await Promise.allSettled(Array.from({ length: 10 }, () => claimFolder(dir)));
    expect(asked.filter((one) => one.status === "fulfilled").length).toBe(1);
  });

  it("is not given back by somebody whose claim was taken over", async () => {
    const release = await claimFolder(dir);
    await writeFile(join(dir, "lock"), "somebody else's\n");
    await release();
    expect(await readFile(join(dir, "lock"), "utf8")).toBe("somebody else's\n");
  });
});
