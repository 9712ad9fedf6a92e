import { runCommand } from "citty";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkFlags, choiceOption, numberList, numberOption, verb } from "./verb.ts";

const usage = (words: string) => expect.objectContaining({ code: "USAGE", message: expect.stringContaining(words) });

const ARGS = {
  model: { type: "positional", required: true },
  "max-drop": { type: "string" },
  output: { type: "string", alias: "o" },
  prove: { type: "boolean", default: true },
} as const;

describe("flags", () => {
  test("an unknown one is refused, and the nearest is named", () => {
    expect(() => checkFlags(["m.onnx", "--max-dropp", "1%"], ARGS)).toThrow(usage("did you mean --max-drop?"));
    expect(() => checkFlags(["--zzz"], ARGS)).toThrow(usage("there is no such option"));
    expect(() => checkFlags(["--constructor"], ARGS)).toThrow(usage("there is no such option"));
  });

  test("one without its value is refused", () => {
    expect(() => checkFlags(["m.onnx", "--max-drop"], ARGS)).toThrow(usage("it needs a value"));
    expect(() => checkFlags(["--max-drop", "--prove"], ARGS)).toThrow(usage("it needs a value"));
    expect(() => checkFlags(["-o"], ARGS)).toThrow(usage("it needs a value"));
  });

  test("known ones pass in every form, and what follows -- is left alone", () => {
    for (const line of [
      "m --max-drop 1%",
      "m --max-drop=1%",
      "m -o x",
      "m --no-prove",
      "m --prove",
      "m -- --nothing",
      "m --max-drop -1",
    ])
      expect(() => checkFlags(line.split(" "), ARGS)).not.toThrow();
  });
});

describe("values", () => {
  test("a number is a number, a percentage a share, anything else is refused with the limits", () => {
    expect(numberOption("n", "0.25")).toBe(0.25);
    expect(numberOption("n", "0.5%")).toBe(0.005);
    expect(numberOption("n", undefined)).toBeUndefined();
    for (const wrong of ["", " ", "abc", "1..2", "NaN", "Infinity", "1e999", "%", "5 apples"])
      expect(() => numberOption("n", wrong)).toThrow(usage("--n"));
    expect(() => numberOption("n", "11", { min: 0, max: 10 })).toThrow(usage("from 0 to 10"));
    expect(numberList("far", "1e-3,1e-4")).toEqual([1e-3, 1e-4]);
    expect(() => numberList("far", "1e-3,,1e-4")).toThrow(usage("--far"));
  });

  test("no text gives a number outside the limits", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String)), (text) => {
        try {
          const value = numberOption("n", text, { min: -3, max: 7 }) as number;
          expect(value >= -3 && value <= 7).toBe(true);
        } catch (error) {
          expect(error).toEqual(usage("--n"));
        }
      }),
    );
  });

  test("a word that is not of the list is refused with the list", () => {
    expect(choiceOption("ranges", "mse", ["min-max", "mse"])).toBe("mse");
    expect(() => choiceOption("ranges", "toString", ["min-max", "mse"])).toThrow(usage("min-max, mse"));
  });
});

describe("a verb", () => {
  const before = process.exitCode;
  beforeEach(() => {
    process.exitCode = undefined;
  });
  afterEach(() => {
    process.exitCode = before;
  });

  test("sets the exit code that its body gives, and leaves no handler behind", async () => {
    const handlers = process.listenerCount("SIGINT");
    const failing = verb({ name: "v", description: "" }, ARGS, async () => 1);
    await runCommand(failing, { rawArgs: ["m.onnx"] });
    expect(process.exitCode).toBe(1);
    expect(process.listenerCount("SIGINT")).toBe(handlers);
  });

  test("refuses a word too many unless it asked for the rest", async () => {
    const one = verb({ name: "v", description: "" }, ARGS, async () => 0);
    await expect(runCommand(one, { rawArgs: ["a.onnx", "b.onnx"] })).rejects.toThrow(usage('"b.onnx"'));
    let rest: readonly string[] = [];
    const many = verb({ name: "v", description: "", rest: true }, ARGS, async (_, tools) => {
      rest = tools.rest;
      return 0;
    });
    await runCommand(many, { rawArgs: ["a.onnx", "b.onnx", "--no-prove", "c.onnx"] });
    expect(rest).toEqual(["b.onnx", "c.onnx"]);
  });

  test("calls whatever fails after Ctrl-C an interruption", async () => {
    const stopped = verb({ name: "v", description: "" }, ARGS, async (_, { signal }) => {
      process.emit("SIGINT");
      signal.throwIfAborted();
      return 0;
    });
    await expect(runCommand(stopped, { rawArgs: ["a.onnx"] })).rejects.toThrow(expect.objectContaining({ code: "INTERRUPTED" }));
  });
});
