import { fail } from "@tessera/core/base/error";
import type { RollbackAnchor } from "../store/anchor.ts";
import { runTool } from "./tool.ts";

/** Options of {@link tpm2Anchor}. */
export interface Tpm2AnchorOptions {
  /** Address of the counter in the TPM's non-volatile memory, in the owner's range, such as "0x1500016". */
  readonly index: string;
  readonly tcti?: string;
}

/**
 * A counter in a TPM's non-volatile memory, which the TPM itself only ever lets go up, even when it is removed and made again. One step is one
 * write: with every commit anchored it costs tens of milliseconds and wears the chip.
 */
export function tpm2Anchor(options: Tpm2AnchorOptions): RollbackAnchor {
  const { index } = options;
  if (!/^0x1[0-9a-f]{6}$/i.test(index))
    throw fail("KEY_UNAVAILABLE", `Cannot use the TPM's index ${index}: write it like 0x1500016`);
  const tpm = (...args: readonly string[]) =>
    runTool("tpm2", args, options.tcti === undefined ? {} : { env: { TPM2TOOLS_TCTI: options.tcti } });

  async function read(): Promise<number | undefined> {
    const listed = await tpm("getcap", "handles-nv-index");
    if (!listed.ok) throw fail("KEY_UNAVAILABLE", `Cannot ask the TPM: ${listed.complaint}`);
    if (!Buffer.from(listed.output).toString("utf8").toLowerCase().includes(index.toLowerCase())) return undefined;
    const answer = await tpm("nvread", index, "-C", "o", "-s", "8");
    if (!answer.ok || answer.output.length !== 8) {
      throw fail("KEY_UNAVAILABLE", `Cannot read the TPM's counter ${index}: ${answer.complaint}`);
    }
    return Number(Buffer.from(answer.output).readBigUInt64BE());
  }

  return {
    read,
    async increment() {
      if ((await read()) === undefined) {
        const made = await tpm("nvdefine", "-Q", index, "-C", "o", "-s", "8", "-a", "ownerread|ownerwrite|no_da|nt=1");
        if (!made.ok) throw fail("KEY_UNAVAILABLE", `Cannot make the TPM's counter ${index}: ${made.complaint}`);
      }
      const moved = await tpm("nvincrement", index, "-C", "o");
      if (!moved.ok) throw fail("KEY_UNAVAILABLE", `Cannot move the TPM's counter ${index}: ${moved.complaint}`);
      const now = await read();
      if (now === undefined) throw fail("KEY_UNAVAILABLE", `Cannot read the TPM's counter ${index}: it is gone`);
      return now;
    },
  };
}
