import { describe, expect, it } from "vitest";
import { answerProblem, mediaProblem, type Problem, ProblemError, problemOf } from "./problem.ts";
import { PROBLEMS } from "./sentences.ts";

describe("problems", () => {
  it("are told apart by status, each with a sentence", () => {
    const kinds = [401, 403, 429, 503, 502, 400, 413, 500].map((status) => answerProblem(status, undefined).kind);
    expect(kinds).toEqual(["unauthorised", "forbidden", "busy", "busy", "offline", "refused", "refused", "refused"]);
    for (const kind of kinds) expect(PROBLEMS[kind].title).not.toBe("");
  });

  it("carry the gateway's words, shortened, and the time to wait", () => {
    const body = { error: { code: "X", says: "y".repeat(5000), next: "" } };
    const problem = answerProblem(503, body, "7");
    expect(problem.detail).toHaveLength(300);
    expect(problem.retryAfterSeconds).toBe(7);
  });

  it("take nothing from an answer that is not as it should be", () => {
    for (const body of [undefined, null, 7, "x", [], {}, { error: null }, { error: "x" }, { error: { says: 7 } }]) {
      expect(answerProblem(500, body, "soon")).toEqual({ kind: "refused" });
    }
  });

  it("tell a blocked, a missing and a busy device apart", () => {
    const named = (name: string): Problem["kind"] => mediaProblem("camera", Object.assign(new Error(), { name })).kind;
    expect(["NotAllowedError", "NotFoundError", "NotReadableError", "Whatever"].map(named)).toEqual([
      "camera-denied",
      "camera-missing",
      "camera-busy",
      "camera-busy",
    ]);
    expect(mediaProblem("microphone", "?").kind).toBe("microphone-busy");
  });

  it("are kept by the error that carries them; any other error means that there was no connection", () => {
    expect(problemOf(new ProblemError({ kind: "forbidden" }))).toEqual({ kind: "forbidden" });
    expect(problemOf(new TypeError("Failed to fetch"))).toEqual({ kind: "offline" });
  });
});
