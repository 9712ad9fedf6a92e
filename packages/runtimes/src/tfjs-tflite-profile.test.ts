import { expect, test } from "vitest";
import { parseSummary } from "./tfjs-tflite-profile.ts";

const HEAD = "\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]";

/** A table as the profiler writes it: rows in the order of running, then by time, then by type. */
function table(rows: readonly string[]): string {
  const bar = (title: string): string => `============================== ${title} ==============================`;
  return [bar("Run Order"), HEAD, ...rows, "", bar("Top by Computation Time"), HEAD, ...rows, "", "2 nodes observed", ""].join(
    "\n",
  );
}

const RELU = "\t                    RELU\t    0.519\t    0.347\t 50.000%\t100.000%\t     0.000\t        2\t[a;b [c]:1]:12";
const PART = "\t   TfLiteXNNPackDelegate\t    0.004\t    0.003\t 50.000%\t 50.000%\t     0.000\t        2\t[y]:14";
const CALL =
  "\t        DelegateOpInvoke\t    0.001\t    0.000\t    nan%\t    nan%\t     0.000\t        4\tDelegate/Add (ND, QS8):0";

test("reads each row once, and what the delegate did inside apart", () => {
  expect(parseSummary(`${table([PART, RELU])}\nDelegate internal: \n${table([CALL])}`)).toEqual({
    nodes: [
      { type: "TfLiteXNNPackDelegate", name: "y", node: 14, firstMs: 0.004, averageMs: 0.003, calls: 2 },
      { type: "RELU", name: "a;b [c]:1", node: 12, firstMs: 0.519, averageMs: 0.347, calls: 2 },
    ],
    inside: [
      { type: "DelegateOpInvoke", name: "Delegate/Add (ND, QS8):0", node: undefined, firstMs: 0.001, averageMs: 0, calls: 4 },
    ],
  });
});

test("a graph without a delegate has nothing inside, and no table is an error", () => {
  expect(parseSummary(table([RELU])).inside).toEqual([]);
  expect(() => parseSummary(table([]))).toThrowError(expect.objectContaining({ code: "MALFORMED" }));
});
