// The page of a job, alive: its state, the curve, the log, the node; see ../live for the parts.
import { get } from "../lib/api.ts";
import { Chart } from "../lib/chart.ts";
import { find, make, need, show, text } from "../lib/dom.ts";
import { followJob, type JobEvent, type JobState, type Progress } from "../lib/events.ts";
import { duration, score, tick } from "../lib/format.ts";
import { CurveData } from "../live/curve-data.ts";
import { LogView } from "../live/log-view.ts";
import { NodeStrip } from "../live/node-strip.ts";
import { renewing } from "../live/parts.ts";
import { projected, timeLeft, words } from "../live/time-left.ts";

document.documentElement.classList.add("lives");

const page = need("#job", HTMLElement);
const job = page.dataset["job"] ?? "";
const unit = page.dataset["unit"] ?? "";
const best = Number(page.dataset["best"] ?? NaN);
const bestWords = page.dataset["bestWords"] ?? "";
let state = (page.dataset["state"] ?? "draft") as JobState;

/** Events of one answer of the history. */
const PAGE = 1000;
/** Milliseconds between two looks at the parts that the service makes: at most, and at least, as others move too. */
const RENEW = 1000;
const FRESH = 15_000;
const OVER: readonly JobState[] = ["done", "failed", "cancelled", "expired"];
/** States in which the program may print, and the node has figures. */
const UNDER_WAY: readonly JobState[] = ["claimed", "preparing", "running", "finishing", "lost"];

const over = (): boolean => OVER.includes(state);
const underWay = (): boolean => UNDER_WAY.includes(state);

/** How far and how fast it is; on the page unless the job has ended without a curve, and shown once a node has it. */
class Run {
  readonly #place = need("#run-live", HTMLElement);
  readonly #curve = new CurveData(best);
  readonly #strip: NodeStrip;
  #chart: Chart | undefined;
  readonly #live = need("#curve-live", HTMLElement);

  constructor() {
    this.#strip = new NodeStrip(need("#node-live", HTMLElement), need("#strip", HTMLElement), job);
  }

  add(progress: Progress): void {
    this.#curve.add(progress);
  }

  again(): void {
    this.#curve.clear();
  }

  watchNode(): void {
    this.#strip.look(underWay());
  }

  /** The figures of a run are for while it runs; what is left of it is the curve. */
  finish(): void {
    const pace = find("#pace", HTMLElement);
    if (pace !== null) show(pace, false);
    text(need("#speed", HTMLElement), "How fast it went");
    show(this.#place, this.#curve.length > 1);
    this.draw();
    this.watchNode();
  }

  draw(): void {
    if (underWay()) show(this.#place, true);
    const last = this.#curve.last;
    if (last !== null) pace(last);
    if (this.#curve.length < 2) return;
    if (this.#chart === undefined) {
      show(this.#live, true);
      show(need("#curve-still", HTMLElement), false);
      this.#chart = chart(this.#live);
    }
    const { x, ys } = this.#curve.rows(state === "running");
    this.#chart.setData(x, Number.isNaN(best) ? ys.slice(0, 3) : ys);
  }
}

function chart(host: HTMLElement): Chart {
  const lines = [
    { label: "now", width: 1 },
    { label: "so far", width: 3 },
    { label: "projected", width: 3 },
    { label: bestWords, width: 2 },
  ];
  return new Chart(host, {
    title: `${unit} over time`,
    x: { label: "computing", unit: "s", zero: true, format: tick },
    y: { label: "speed", unit, format: tick },
    lines: Number.isNaN(best) ? lines.slice(0, 3) : lines,
    height: 320,
  });
}

/** The figures beside the curve. */
function pace(progress: Progress): void {
  const percent = Math.floor(100 * progress.fraction);
  const bar = find("#progress", HTMLProgressElement);
  if (bar !== null && bar.value !== percent) bar.value = percent;
  const say = (id: string, words: string): void => {
    const place = document.getElementById(id);
    if (place !== null) text(place, words);
  };
  const [left, end] = [timeLeft(progress), projected(progress)];
  say("pace-percent", `${percent} %`);
  say("pace-now", score(progress.score_now, unit));
  say("pace-so-far", `${score(progress.score, unit)} after ${duration(progress.seconds)}`);
  say("pace-projected", end === null ? "not known yet" : score(end.score, unit));
  if (left !== null && state === "running") {
    const at = new Date(Date.now() + 1000 * left.likely);
    say("pace-ends", `${words(left)}, at ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`);
  }
}

const run = document.getElementById("run-live") === null ? null : new Run();
let log: LogView | null = null;

/** The log is fetched once there may be one. */
function showLog(): void {
  if (log === null) {
    log = new LogView(need("#log-live", HTMLElement), job, underWay());
    show(need("#log-still", HTMLElement), false);
  } else {
    log.again();
  }
}

if (underWay() || (over() && document.querySelector("#log-still pre") !== null)) showLog();
run?.watchNode();

const still = `/jobs/${encodeURIComponent(job)}?still=1`;
const renewParts = renewing(still, RENEW);
setInterval(() => {
  if (!over() && !document.hidden) renewParts();
}, FRESH);

/** What happened since the last frame. */
function happened(events: readonly JobEvent[]): void {
  let moved = false;
  for (const { kind, state: after, data } of events) {
    if (data.kind === "progress") run?.add(data);
    else if (kind !== "created") moved = true;
    if (after !== state) state = after;
    if (kind === "claimed") {
      run?.again();
      run?.watchNode();
      showLog();
    }
  }
  run?.draw();
  if (moved) renewParts();
}

/** All events up to now, in pages, each of which is drawn; says the number of the last. */
async function history(): Promise<number> {
  let after = 0;
  // What moved after the service had made the page, and before this look, is news as well.
  const made = state;
  let now = made;
  for (;;) {
    const answer = await get<JobEvent[]>(`/api/v1/jobs/${encodeURIComponent(job)}/history?after=${after}&limit=${PAGE}`);
    if (!answer.ok) return after;
    for (const { seq, kind, data, state: then } of answer.value) {
      after = seq;
      now = then;
      if (kind === "claimed") run?.again();
      if (data.kind === "progress") run?.add(data);
    }
    run?.draw();
    if (answer.value.length < PAGE) {
      if (now !== made) {
        state = now;
        if (underWay()) showLog();
        run?.watchNode();
        renewParts();
      }
      return after;
    }
    // Others have their turn between two pages: the first frame after each shows it.
    await new Promise((drawn) => requestAnimationFrame(drawn));
  }
}

/** The end is said, and the way to the result offered. */
function ended(last: JobState): void {
  state = last;
  run?.finish();
  log?.finish();
  const said = need("#said", HTMLElement);
  const finish = renewing(still, 0, () => {
    const result = document.getElementById("result");
    const words = last === "done" ? "The run has ended and its answer passed the check." : `The run has ended: ${last}.`;
    said.className = "note";
    said.replaceChildren(words, ...(result === null ? [] : [" ", make("a", { href: "#result" }, "Go to the result")]));
    document.title = document.title.replace(/:[^:]*·/, `: ${last} ·`);
  });
  finish();
}

const finished = over();
const last = await history();
if (!finished && over()) ended(state);
if (!over()) followJob(job, { events: happened, reset: () => run?.again(), end: ended }, last);
