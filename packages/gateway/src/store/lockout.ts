import { fail } from "@tessera/core/base/error";
import { costOf, type LockoutPolicy } from "./lockout-policy.ts";
import type { LockoutRecord } from "./records.ts";
import { serially } from "./serially.ts";
import type { Lockout } from "./template-store.ts";
import { checkName, type StoreLimits } from "./templates.ts";
import type { Vault } from "./vault.ts";

/** Bytes that a key may have before the name. */
const KIND_BYTES = 16;

function full({ lockouts }: StoreLimits): Error {
  return fail("STORE_FULL", `Cannot count a wrong try: ${lockouts} names are counted already`);
}

/**
 * The lock-out over a vault. The rule of the clocks: while the process lives, only its monotonic clock counts, so nobody opens a lock by setting the
 * time. After a restart the wall clock is asked once how much of a wait is left. Set back, it makes that more than is true, up to the whole
 * wait; set *forward* while the gateway was down, it does end a wait early, but the count stays, and the next wrong try costs the longer wait.
 */
export function lockout(vault: Vault, policy: LockoutPolicy, limits: StoreLimits): Lockout {
  const ends = new Map<string, number>();
  const queues = new Map<string, { run: ReturnType<typeof serially>; waiting: number }>();
  let pending: { readonly key: string; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];

  // A key is a name and what kind of name it is: every name that may be enrolled must be one that can be counted.
  const checkKey = (key: string): void => checkName(key, { ...limits, nameBytes: limits.nameBytes + KIND_BYTES });

  const wall = vault.clock.wallMs();
  const started = vault.clock.monotonicMs();
  for (const { key, at, waitMs } of vault.lockouts.values()) {
    const left = Math.min(Math.max(at + waitMs - wall, 0), waitMs);
    ends.set(key, started + left);
  }

  /** All tries that failed while the disk was busy go into one group. */
  async function flush(): Promise<void> {
    const batch = pending.filter((one) => vault.lockouts.has(one.key) || vault.lockouts.size < limits.lockouts);
    for (const one of pending) {
      if (!batch.includes(one)) {
        one.reject(full(limits));
      }
    }
    pending = [];
    if (batch.length === 0) return;
    try {
      const records = new Map<string, LockoutRecord>();
      vault.latestMs = Math.max(vault.latestMs, Math.round(vault.clock.wallMs()));
      for (const { key } of batch) {
        const failures = ((records.get(key) ?? vault.lockouts.get(key))?.failures ?? 0) + 1;
        records.set(key, { key, failures, at: vault.latestMs, ...costOf(policy, failures) });
      }
      // In memory first: until it is on disk, nobody gets an answer, but nobody shall get a try either.
      for (const record of records.values()) {
        vault.lockouts.set(record.key, record);
        ends.set(record.key, vault.clock.monotonicMs() + record.waitMs);
      }
      await vault.commit([...records.values()].map((value) => ({ record: { kind: "lockout", value } as const })));
      await vault.tidy();
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  function clear(key: string, when: (record: LockoutRecord) => boolean): Promise<void> {
    return vault.run(async () => {
      vault.assertUsable();
      const record = vault.lockouts.get(key);
      if (record === undefined || !when(record)) return;
      const value = { key, failures: 0, at: record.at, waitMs: 0, needsPrimary: false };
      await vault.commit([{ record: { kind: "lockout", value } }]);
      vault.lockouts.delete(key);
      ends.delete(key);
      await vault.tidy();
    });
  }

  return {
    check(key) {
      vault.assertUsable();
      checkKey(key);
      const record = vault.lockouts.get(key);
      // A wrong try that could not be counted must not be made: it would be free.
      if (record === undefined && vault.lockouts.size >= limits.lockouts) throw full(limits);
      if (record === undefined) return { allowed: true };
      const left = Math.max((ends.get(key) ?? 0) - vault.clock.monotonicMs(), 0);
      if (!record.needsPrimary && left === 0) return { allowed: true };
      return { allowed: false, retryAfterMs: left, needsPrimary: record.needsPrimary };
    },
    async failed(key) {
      checkKey(key);
      await new Promise<void>((resolve, reject) => {
        pending.push({ key, resolve, reject });
        if (pending.length === 1) vault.run(flush).catch(reject);
      });
    },
    passed: (key) => clear(key, (record) => !record.needsPrimary),
    unlock: (key) => clear(key, () => true),
    async exclusive(key, work) {
      const queue = queues.get(key) ?? { run: serially(), waiting: 0 };
      queues.set(key, queue);
      queue.waiting++;
      try {
        return await queue.run(work);
      } finally {
        queue.waiting--;
        if (queue.waiting === 0) queues.delete(key);
      }
    },
  };
}
