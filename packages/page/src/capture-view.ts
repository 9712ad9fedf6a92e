import { captureRun, type RunView } from "./capture-run.ts";
import { pictureOf, recordingOf } from "./chosen-files.ts";
import { byId, setText } from "./elements.ts";
import { CAPTURES, isRunning, type Outcome, type Plan, SUBJECT_MAX, subjectOf, type Task } from "./flow.ts";
import type { GatewayClient } from "./gateway-client.ts";
import { meterShare } from "./loudness.ts";
import { type Problem, problemOf } from "./problem.ts";
import { resultView } from "./result-view.ts";
import { say } from "./sentences.ts";

/** What the view of captures needs from the page. */
export interface CaptureViewParts {
  readonly client: GatewayClient;
  readonly token: () => string | undefined;
  readonly onOutcome: (outcome: Outcome) => void;
  readonly onProblem: (problem: Problem) => void;
  readonly onLive: (view: RunView) => void;
  /** Asks the person for a token. */
  readonly askForToken: () => void;
}

/** The view of verify, identify and enrol. */
export interface CaptureView {
  /** Shows the form of a task; whatever was under way ends. */
  open(task: Task): void;
  stop(): void;
  /** Which modalities the gateway has, and whether a person may choose among them. */
  offer(has: { readonly face: boolean; readonly voice: boolean; readonly choice: boolean }): void;
}

const TITLES = {
  verify: ["verifyTitle", "verifySays"],
  identify: ["identifyTitle", "identifySays"],
  enrol: ["enrolTitle", "enrolSays"],
} as const;

/** Binds the form, the stage and the result to a run. */
export function captureView(parts: CaptureViewParts): CaptureView {
  const section = byId("capture");
  const subject = byId<HTMLInputElement>("subject");
  const withFace = byId<HTMLInputElement>("with-face");
  const withVoice = byId<HTMLInputElement>("with-voice");
  const filesFace = byId<HTMLInputElement>("files-face");
  const filesVoice = byId<HTMLInputElement>("files-voice");
  let task: Task = "verify";
  let flow = "idle";

  const run = captureRun({
    client: parts.client,
    token: parts.token,
    video: byId<HTMLVideoElement>("video"),
    show: (view) => {
      render(view);
      parts.onLive(view);
    },
  });
  const result = resultView({
    again: (plan) => run.start(plan),
    finish: () => open(task),
    files: () => {
      open(task);
      byId<HTMLDetailsElement>("files").open = true;
      filesFace.focus();
    },
    askForToken: parts.askForToken,
  });

  const render = (view: RunView): void => {
    const { state } = view;
    if (state.kind !== flow) {
      flow = state.kind;
      section.dataset["flow"] = flow;
      if (state.kind === "opening" || state.kind === "sending") byId("stop").focus();
      if (state.kind === "done") {
        result.showOutcome(state.plan, state.outcome);
        parts.onOutcome(state.outcome);
      } else if (state.kind === "stuck") {
        result.showProblem(state.plan, state.problem);
        parts.onProblem(state.problem);
      } else result.clear();
    }
    if (!isRunning(state)) return;
    section.dataset["camera"] = String(state.plan.faces > 0);
    section.dataset["good"] = String(view.good);
    setText(byId("guidance"), view.guidance);
    setText(byId("phrase"), view.phrase);
    setText(byId("count"), countText(state));
    const share = meterShare(view.levelDb);
    byId("meter").setAttribute("aria-valuenow", String(Math.round(100 * share)));
    byId("meter-level").style.transform = `scaleX(${share.toFixed(3)})`;
    byId("progress-bar").style.transform = `scaleX(${view.progress.toFixed(3)})`;
  };

  /** The plan of the form; undefined, with the reason on show, when something is missing. */
  const planOf = (faces: boolean, voices: boolean): Plan | undefined => {
    setText(byId("subject-error"), "");
    setText(byId("with-error"), "");
    setText(byId("files-error"), "");
    subject.removeAttribute("aria-invalid");
    const name = task === "identify" ? "" : subjectOf(subject.value);
    if (name === undefined) {
      const empty = subject.value.trim() === "";
      setText(byId("subject-error"), empty ? say("subjectMissing") : say("subjectInvalid", { max: SUBJECT_MAX }));
      subject.setAttribute("aria-invalid", "true");
      subject.focus();
      return undefined;
    }
    const captures = CAPTURES[task];
    return { task, subject: name, faces: faces ? captures.faces : 0, voices: voices ? captures.voices : 0 };
  };

  const sendFiles = async (): Promise<void> => {
    const pictures = [...(filesFace.files ?? [])];
    const sounds = [...(filesVoice.files ?? [])];
    const plan = planOf(pictures.length > 0, sounds.length > 0);
    if (plan === undefined) return;
    if (pictures.length + sounds.length === 0) {
      setText(byId("files-error"), say("filesMissing"));
      filesFace.focus();
      return;
    }
    // A try takes one of each, as with camera and microphone; an enrolment takes what is given.
    const most = task === "enrol" ? Number.POSITIVE_INFINITY : 1;
    try {
      const images = await Promise.all(pictures.slice(0, most).map(pictureOf));
      const clips = await Promise.all(sounds.slice(0, most).map(recordingOf));
      run.startWithFiles(plan, { images, sounds: clips });
    } catch (error) {
      setText(byId("files-error"), result.problemText(problemOf(error)));
    }
  };

  const open = (next: Task): void => {
    run.stop();
    task = next;
    section.dataset["task"] = task;
    const [title, says] = TITLES[task];
    setText(byId("capture-title"), say(title));
    setText(byId("capture-says"), say(says));
    for (const id of ["subject-error", "with-error", "files-error"]) setText(byId(id), "");
    subject.removeAttribute("aria-invalid");
    byId("subject-field").hidden = task === "identify";
    for (const input of [filesFace, filesVoice]) {
      input.value = "";
      input.multiple = task === "enrol";
    }
    if (!window.matchMedia("(hover: none)").matches) (task === "identify" ? byId("start") : subject).focus();
  };

  byId("capture-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const plan = planOf(withFace.checked, withVoice.checked);
    if (plan === undefined) return;
    if (plan.faces + plan.voices === 0) setText(byId("with-error"), say("withNothing"));
    // Asked for before anything is captured: what was captured without it would be for nothing.
    else if (parts.token() === undefined) parts.askForToken();
    else run.start(plan);
  });
  byId("files-send").addEventListener("click", () => void sendFiles());
  byId("take-now").addEventListener("click", () => run.takeNow());
  byId("stop").addEventListener("click", () => {
    run.stop();
    byId("start").focus();
  });
  window.addEventListener("pagehide", () => run.stop());
  document.addEventListener("visibilitychange", () => {
    // A page nobody sees must not see anybody.
    if (document.hidden && (flow === "opening" || flow === "face" || flow === "voice")) run.stop();
  });

  return {
    open,
    stop: () => run.stop(),
    offer(has) {
      for (const [box, offered] of [
        [withFace, has.face],
        [withVoice, has.voice],
      ] as const) {
        if (box.disabled || !offered || !has.choice) box.checked = offered;
        box.disabled = !offered;
      }
      byId("with").hidden = !has.choice || !(has.face && has.voice);
    },
  };
}

function countText(state: RunView["state"]): string {
  if (state.kind === "face" && state.plan.faces > 1) {
    return say("faceCount", { taken: state.taken + 1, wanted: state.plan.faces });
  }
  if (state.kind === "voice" && state.plan.voices > 1) {
    return say("voiceCount", { taken: state.taken + 1, wanted: state.plan.voices });
  }
  return "";
}
