import { byId, make, setText } from "./elements.ts";
import type { Outcome, Plan } from "./flow.ts";
import { formatCountdown, formatMs } from "./format.ts";
import { outcomeText } from "./outcome-text.ts";
import type { Problem } from "./problem.ts";
import { PROBLEMS, type SentenceKey, say } from "./sentences.ts";

/** What the buttons under a result do. */
export interface ResultActions {
  readonly again: (plan: Plan) => void;
  readonly finish: () => void;
  readonly files: () => void;
  readonly askForToken: () => void;
}

/** The card that tells how a run ended. */
export interface ResultView {
  showOutcome(plan: Plan, outcome: Outcome): void;
  showProblem(plan: Plan, problem: Problem): void;
  problemText(problem: Problem): string;
  clear(): void;
}

/** Binds the card of results. */
export function resultView(actions: ResultActions): ResultView {
  const card = byId("result");
  let countdown: ReturnType<typeof setInterval> | undefined;

  const button = (key: SentenceKey, look: "main" | "plain", act: () => void): HTMLButtonElement => {
    const element = make("button", { type: "button", class: look }, say(key));
    element.addEventListener("click", act);
    return element;
  };

  const fill = (
    tone: string,
    title: string,
    parts: { readonly says: readonly (Node | string)[]; readonly lines?: readonly Node[]; readonly buttons: readonly Node[] },
  ): void => {
    card.dataset["tone"] = tone;
    setText(byId("result-title"), title);
    byId("result-says").replaceChildren(...parts.says.map((says) => make("p", {}, says)));
    byId("result-lines").replaceChildren(...(parts.lines ?? []));
    byId("result-actions").replaceChildren(...parts.buttons);
    setText(byId("result-time"), "");
    byId("result-title").focus();
  };

  /** Counts down in place; the sentence is read out once, the seconds are not. */
  const lockedSentence = (seconds: number, plan: Plan): Node => {
    const timer = make("span", { role: "timer", "aria-live": "off" });
    const until = performance.now() + 1000 * seconds;
    const tick = (): void => {
      const left = (until - performance.now()) / 1000;
      setText(timer, left > 0 ? say("lockedSays", { time: formatCountdown(left) }) : say("lockedOver"));
      if (left > 0) return;
      clearInterval(countdown);
      byId("result-actions").prepend(button("again", "main", () => actions.again(plan)));
    };
    clearInterval(countdown);
    countdown = setInterval(tick, 1000);
    tick();
    return timer;
  };

  const clear = (): void => {
    clearInterval(countdown);
  };

  return {
    showOutcome(plan, outcome) {
      clear();
      const { tone, title, says, lines, retryAfterSeconds } = outcomeText(outcome, plan.subject);
      const again = button("again", "main", () => actions.again(plan));
      const finish = button("finish", tone === "good" ? "main" : "plain", actions.finish);
      fill(tone, title, {
        says,
        lines: lines.map(({ text, good }) => make("li", { "data-good": String(good) }, text)),
        buttons: tone === "bad" || tone === "again" ? [again, finish] : [finish],
      });
      if (retryAfterSeconds !== undefined) {
        byId("result-says").append(make("p", {}, lockedSentence(retryAfterSeconds, plan)));
      }
      setText(byId("result-time"), say("answeredIn", { time: formatMs(outcome.roundTripMs) }));
    },
    showProblem(plan, problem) {
      clear();
      const { title, says } = PROBLEMS[problem.kind];
      fill("stuck", title, {
        says: problem.detail === undefined ? [says] : [says, problem.detail],
        buttons: waysOut(plan, problem).map(([key, act], i) => button(key, i === 0 ? "main" : "plain", act)),
      });
    },
    problemText: ({ kind }) => `${PROBLEMS[kind].title}. ${PROBLEMS[kind].says}`,
    clear,
  };

  /** What can be done about a problem, the likeliest first. */
  function waysOut(plan: Plan, { kind }: Problem): readonly (readonly [SentenceKey, () => void])[] {
    const again = ["again", () => actions.again(plan)] as const;
    const finish = ["finish", actions.finish] as const;
    const files = ["useFiles", actions.files] as const;
    if (kind === "unauthorised" || kind === "forbidden") return [["enterToken", actions.askForToken], finish];
    if (kind.startsWith("camera") && plan.voices > 0) {
      return [again, ["withoutFace", () => actions.again({ ...plan, faces: 0 })], files, finish];
    }
    if (kind.startsWith("microphone") && plan.faces > 0) {
      return [again, ["withoutVoice", () => actions.again({ ...plan, voices: 0 })], files, finish];
    }
    if (kind === "insecure" || kind.startsWith("camera") || kind.startsWith("microphone")) return [again, files, finish];
    return [again, finish];
  }
}
