import type { SubjectEntry } from "@tessera/core/protocol/gateway-api";
import { byId, make, setText } from "./elements.ts";
import { formatDate } from "./format.ts";
import type { GatewayClient } from "./gateway-client.ts";
import { type Problem, problemOf } from "./problem.ts";
import { MODALITIES, PROBLEMS, say } from "./sentences.ts";

/** People shown at once; the field above narrows a longer list. */
const SHOWN_AT_ONCE = 100;

/** What the list needs from the page. */
export interface PeopleViewParts {
  readonly client: GatewayClient;
  readonly onProblem: (problem: Problem) => void;
}

/** The list of who is enrolled. */
export interface PeopleView {
  open(): void;
  /** Forgets the list: it must not outlast the sight of it. */
  close(): void;
}

/** Binds the list of people. */
export function peopleView({ client, onProblem }: PeopleViewParts): PeopleView {
  const status = byId("people-status");
  const list = byId("people-list");
  const find = byId<HTMLInputElement>("people-find");
  const dialog = byId<HTMLDialogElement>("delete-dialog");
  let people: readonly SubjectEntry[] = [];
  let asked = "";

  const render = (): void => {
    const wanted = find.value.trim().toLowerCase();
    const found = people.filter(({ subject }) => subject.toLowerCase().includes(wanted));
    list.replaceChildren(...found.slice(0, SHOWN_AT_ONCE).map(entry));
    if (found.length > SHOWN_AT_ONCE) {
      list.append(make("li", { class: "count" }, say("peopleHidden", { count: found.length - SHOWN_AT_ONCE })));
    }
  };

  const entry = ({ subject, templates }: SubjectEntry): HTMLLIElement => {
    const remove = make(
      "button",
      { type: "button", class: "plain", "aria-label": say("peopleDeleteLabel", { subject }) },
      say("peopleDelete"),
    );
    remove.addEventListener("click", () => {
      asked = subject;
      setText(byId("delete-title"), say("deleteTitle", { subject }));
      dialog.returnValue = "";
      dialog.showModal();
    });
    const parts = templates.map(({ modality, enrolledAt }) =>
      make("li", {}, make("b", {}, MODALITIES[modality]), ` ${say("peopleEnrolled", { date: formatDate(enrolledAt) })}`),
    );
    return make("li", {}, make("h2", {}, subject), make("ul", {}, ...parts), remove);
  };

  const summary = (): string => {
    if (people.length === 0) return say("peopleNone");
    return people.length === 1 ? say("peopleOne") : say("peopleCount", { count: people.length });
  };

  const work = async (job: () => Promise<string>): Promise<void> => {
    try {
      setText(status, await job());
    } catch (error) {
      const problem = problemOf(error);
      setText(status, `${PROBLEMS[problem.kind].title}. ${PROBLEMS[problem.kind].says}`);
      onProblem(problem);
    }
    render();
  };

  const read = (): Promise<void> =>
    work(async () => {
      setText(status, say("peopleLoading"));
      people = [];
      people = [...(await client.subjects())].sort((a, b) => a.subject.localeCompare(b.subject));
      return summary();
    });

  find.addEventListener("input", render);
  byId("people-refresh").addEventListener("click", () => void read());
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes") return;
    void work(async () => {
      await client.remove(asked);
      people = people.filter(({ subject }) => subject !== asked);
      byId("people-title").focus();
      return say("peopleDeleted", { subject: asked });
    });
  });

  return {
    open() {
      byId("people-title").focus();
      void read();
    },
    close() {
      people = [];
      find.value = "";
      list.replaceChildren();
      setText(status, "");
    },
  };
}
