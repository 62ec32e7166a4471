// Steps through the factorization without loading the page anew: its links, the arrow keys, and a button that plays.
//
//   <section data-frames="4">            has the picture of a step, in that many parts, and
//     <a data-to="first|back|next" href>   the way to other steps: they are loaded, and their section takes its place,
//     <button data-play>                   with all sections data-follows="…", which tell of the same step
//   </section>
//
// Nothing moves until somebody presses Play. Then the parts of a step come one after the other, and then the next step;
// where motion is not wanted, whole steps follow each other.
import { all, find, on, text } from "../lib/dom.ts";

const PART = 1200;
const WHOLE = 2500;

const still = matchMedia("(prefers-reduced-motion: reduce)");
const said = document.createElement("p");
said.className = "unseen";
said.setAttribute("role", "status");

let timer: ReturnType<typeof setTimeout> | undefined;
let loading: AbortController | null = null;

function section(): HTMLElement | null {
  return find("[data-frames]", HTMLElement);
}

function link(to: string): HTMLAnchorElement | null {
  const within = section();
  return within && find(`a[data-to="${to}"]`, HTMLAnchorElement, within);
}

/** Puts the parts of another page that tell of its step in the place of those of this one. */
function take(page: Document): boolean {
  const mine = section();
  const other = find("[data-frames]", HTMLElement, page);
  if (!mine || !other) return false;
  mine.replaceChildren(...other.childNodes);
  for (const part of all("[data-follows]", HTMLElement)) {
    const same = find(`[data-follows="${part.dataset["follows"] ?? ""}"]`, HTMLElement, page);
    if (same) part.replaceChildren(...same.childNodes);
  }
  return true;
}

/** Goes to a step; the answer is whether that could be done. */
async function go(to: string): Promise<boolean> {
  const href = link(to)?.href;
  if (!href) return false;
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  try {
    const answer = await fetch(href, { signal: mine.signal, headers: { accept: "text/html" } });
    const page = answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    if (!page || mine.signal.aborted || !take(page)) throw new Error("no such step");
  } catch {
    // Somebody went elsewhere meanwhile; or the page itself says what is wrong.
    if (!mine.signal.aborted) location.assign(href);
    return false;
  }
  history.replaceState(null, "", href);
  text(said, find("h2", HTMLElement, section() ?? document)?.textContent ?? "");
  // Who pressed a link presses it again; at an end the way back is left.
  (link(to) ?? link(to === "next" ? "back" : "next"))?.focus({ preventScroll: true });
  return true;
}

function playing(): boolean {
  return timer !== undefined;
}

function mark(): void {
  const button = find("[data-play]", HTMLButtonElement);
  if (!button) return;
  button.setAttribute("aria-pressed", String(playing()));
  text(button, playing() ? "Pause" : "Play");
}

function pause(): void {
  clearTimeout(timer);
  timer = undefined;
  section()?.removeAttribute("data-frame");
  mark();
}

/** Shows a part of the step, or goes on to the next step; then again after a while. */
function play(part: number): void {
  const within = section();
  if (!within) return;
  const parts = still.matches ? 1 : Number(within.dataset["frames"]);
  if (parts > 1) within.dataset["frame"] = String(part);
  timer = setTimeout(
    () => {
      if (part < parts) return play(part + 1);
      void go("next").then((done) => {
        if (!playing()) return;
        if (!done) return pause();
        find("[data-play]", HTMLButtonElement)?.focus({ preventScroll: true });
        play(1);
        mark();
      });
    },
    parts > 1 ? PART : WHOLE,
  );
  mark();
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, select, textarea, [contenteditable]") !== null;
}

const here = section();
if (here) {
  here.after(said);
  on(here, "click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("[data-play]")) {
      if (playing()) pause();
      else play(1);
      return;
    }
    const to = target?.closest("a[data-to]")?.getAttribute("data-to");
    if (to) {
      event.preventDefault();
      pause();
      void go(to);
    }
  });
  on(document, "keydown", (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (typing(event.target)) return;
    const to = event.key === "ArrowLeft" ? "back" : event.key === "ArrowRight" ? "next" : null;
    // In a table that is wider than the window, the keys push it sideways.
    if (!to || (event.target instanceof Element && event.target.closest(".wide, pre"))) return;
    if (link(to)) {
      event.preventDefault();
      pause();
      void go(to);
    }
  });
  on(document, "visibilitychange", () => {
    if (document.hidden) pause();
  });
}
