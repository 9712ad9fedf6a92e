import { captureView } from "./capture-view.ts";
import { byId, fillSentences, setText } from "./elements.ts";
import type { Task } from "./flow.ts";
import { gatewayClient } from "./gateway-client.ts";
import { measurementsView } from "./measurements-view.ts";
import { peopleView } from "./people-view.ts";
import type { Problem } from "./problem.ts";
import { PROBLEMS, type SentenceKey, say } from "./sentences.ts";
import { tokenView } from "./token-view.ts";

const HEALTH_EVERY_MS = 15_000;
const HEALTH_WHEN_OFFLINE_MS = 3000;

const HEALTH_TEXTS = {
  ok: "gatewayReady",
  degraded: "gatewayDegraded",
  offline: "gatewayOffline",
} as const satisfies Record<string, SentenceKey>;

fillSentences();

const token = tokenView(() => {
  void readMe();
  showPlace();
});
const client = gatewayClient({ token: token.current, fetch: (path, init) => fetch(path, init) });
const measurements = measurementsView();

const onProblem = (problem: Problem): void => {
  if (problem.kind === "unauthorised") token.ask(PROBLEMS.unauthorised.says);
  if (problem.kind === "offline") void watchHealth();
};
const capture = captureView({
  client,
  token: token.current,
  onOutcome: (outcome) => {
    measurements.show(outcome);
  },
  onProblem,
  onLive: ({ live }) => measurements.live(live),
  askForToken: () => token.ask(),
});
const people = peopleView({ client, onProblem });

/** The place named by the address: one of the tasks, or the list of people. */
function placeOf(hash: string): Task | "people" {
  const name = hash.replace(/^#/, "");
  return name === "identify" || name === "enrol" || name === "people" ? name : "verify";
}

function showPlace(): void {
  if (location.hash === "#content") return;
  const place = placeOf(location.hash);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${place}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("capture").hidden = place === "people";
  byId("people").hidden = place !== "people";
  measurements.clear();
  if (place === "people") {
    capture.stop();
    people.open();
  } else {
    people.close();
    capture.open(place);
  }
}

let healthTimer: ReturnType<typeof setTimeout> | undefined;
let online = false;

/** Asks the gateway how it is, now and from time to time; after it was away, its models are asked for again. */
async function watchHealth(): Promise<void> {
  clearTimeout(healthTimer);
  const status = await client.health().then(
    (health) => health.status,
    () => "offline" as const,
  );
  const came = status !== "offline" && !online;
  online = status !== "offline";
  byId("health").dataset["status"] = status;
  setText(byId("health-text"), say(HEALTH_TEXTS[status]));
  clearTimeout(healthTimer);
  healthTimer = setTimeout(() => void watchHealth(), online ? HEALTH_EVERY_MS : HEALTH_WHEN_OFFLINE_MS);
  if (came) await readMe();
}

/** What this token may do and this gateway can; without an answer (no token yet) the page offers everything and the gateway has the last word. */
async function readMe(): Promise<void> {
  if (token.current() === undefined) return;
  const [me, models] = await Promise.all([client.me().catch(() => undefined), client.models().catch(() => [])]);
  measurements.models(models);
  capture.offer({
    face: me?.modalities.includes("face") ?? true,
    voice: me?.modalities.includes("voice") ?? true,
    choice: me?.mode !== "all",
  });
  const operates = me === undefined || me.role === "operator" || me.role === "developer";
  for (const link of document.querySelectorAll<HTMLElement>("nav [data-operator]")) link.hidden = !operates;
}

const toggle = byId("measurements-toggle");
toggle.addEventListener("click", () => {
  const on = toggle.getAttribute("aria-pressed") !== "true";
  toggle.setAttribute("aria-pressed", String(on));
  byId("measurements").hidden = !on;
  byId("room").dataset["measurements"] = String(on);
});

window.addEventListener("hashchange", showPlace);
for (const link of document.querySelectorAll("nav a")) {
  // The address does not change then, but whoever chooses the place they are in wants to begin anew.
  link.addEventListener("click", () => {
    if (link.getAttribute("href") === location.hash) showPlace();
  });
}
window.addEventListener("online", () => void watchHealth());
showPlace();
void watchHealth();
