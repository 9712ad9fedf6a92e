import { fail, isTesseraError } from "@tessera/core/base/error";

/** Bytes of requests that are in memory at a time, over all callers. */
export interface ByteBudget {
  /** Takes bytes out of the budget. @throws GATEWAY_BUSY when they are not there */
  take(bytes: number): void;
  give(bytes: number): void;
}

/** A budget of so many bytes. */
export function createByteBudget(total: number): ByteBudget {
  let left = total;
  return {
    take(bytes) {
      if (bytes > left) throw fail("GATEWAY_BUSY", "Cannot take the request: others fill the memory for requests");
      left -= bytes;
    },
    give(bytes) {
      left += bytes;
    },
  };
}

/** Reads a request's body as it comes and no further than the limit, hands it to `use`, and gives its memory back afterwards. @throws REQUEST_TOO_LARGE, GATEWAY_BUSY */
export async function withBody<T>(
  request: Request,
  options: { readonly maxBytes: number; readonly budget: ByteBudget },
  use: (body: Uint8Array) => Promise<T>,
): Promise<T> {
  const { maxBytes, budget } = options;
  const tooLarge = (): never => {
    throw fail("REQUEST_TOO_LARGE", `Cannot take the request: it has more than ${maxBytes} bytes`);
  };
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) tooLarge();
  let taken = 0;
  try {
    const chunks: Uint8Array[] = [];
    const reader = request.body?.getReader();
    try {
      for (let step = await reader?.read(); step !== undefined && !step.done; step = await reader?.read()) {
        if (taken + step.value.byteLength > maxBytes) tooLarge();
        budget.take(step.value.byteLength);
        taken += step.value.byteLength;
        chunks.push(step.value);
      }
    } catch (error) {
      await reader?.cancel().catch(() => {});
      throw isTesseraError(error)
        ? error
        : fail("REQUEST_INVALID", "Cannot read the request: its body broke off", { cause: error });
    }
    return await use(chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks));
  } finally {
    budget.give(taken);
  }
}
