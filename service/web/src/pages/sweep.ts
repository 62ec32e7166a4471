// The pages of sweeps. Where one is put together, its cost follows what is typed: the service renders it, as for the
// button Check. Where one is looked at, its points and the best so far stay fresh while it goes on.
import { get, newest, type Answer } from "../lib/api.ts";
import { all, calmly, find, need, on, text } from "../lib/dom.ts";
import { count } from "../lib/format.ts";

/** Milliseconds after the last key. */
const TYPED = 400;
/** Milliseconds between two looks at a sweep that goes on. */
const LOOK = 3000;

/** What this page reads of a sweep. */
interface SweepView {
  readonly over: number;
  readonly drafts: number;
  readonly cost: { readonly runs: number };
}

/** A page of the service, to take parts from. */
async function fetchPage(url: string, request: RequestInit): Promise<Answer<Document>> {
  const failed = (status: number, detail: string): Answer<Document> => ({
    ok: false,
    problem: { status, code: "unreachable", title: detail, detail, errors: [] },
  });
  try {
    const response = await fetch(url, { credentials: "same-origin", headers: { accept: "text/html" }, ...request });
    if (!response.ok) return failed(response.status, `The service answered ${response.status}.`);
    return { ok: true, value: new DOMParser().parseFromString(await response.text(), "text/html") };
  } catch {
    return failed(0, "The service cannot be reached.");
  }
}

/** Puts what is in another page's element in the place of what is in ours. */
function take(ours: Element, theirs: Element | null): void {
  if (theirs) ours.replaceChildren(...[...theirs.childNodes].map((node) => document.importNode(node, true)));
}

/** Takes over what is said of each field, without touching what is typed. */
function takeNotes(form: HTMLFormElement, other: Document): void {
  for (const place of all(".at[id]", HTMLElement, form)) {
    const theirs = other.getElementById(place.id);
    if (theirs === null || theirs.innerHTML === place.innerHTML) continue;
    take(place, theirs);
  }
  for (const field of all("[id^='f-']", HTMLElement, form)) {
    if (other.getElementById(field.id)?.getAttribute("aria-invalid") === "true") field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
  const [link, theirs] = [find("a[href^='/login']", HTMLAnchorElement, form), find("form a[href^='/login']", HTMLElement, other)];
  if (link && theirs) link.href = theirs.getAttribute("href") ?? link.href;
}

function putTogether(form: HTMLFormElement): void {
  const cost = need("#cost", HTMLElement);
  const ask = newest();
  const price = calmly(TYPED, async () => {
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    body.set("do", "check");
    // While only half is typed, nothing is wrong yet.
    if ((body.get("n") ?? "").trim() === "" && (body.get("input") ?? "").trim() === "") return;
    cost.classList.add("old");
    const answer = await ask((signal) => fetchPage(form.action, { method: "POST", body, signal }));
    if (answer === null) return;
    cost.classList.remove("old");
    if (!answer.ok) return;
    takeNotes(form, answer.value);
    for (const part of [cost, need("#all-points", HTMLElement)]) take(part, answer.value.getElementById(part.id));
  });
  on(form, "input", () => price());
  on(form, "change", () => price());
}

function follow(live: HTMLElement): void {
  const id = live.dataset["id"] ?? "";
  const address = `/api/v1/sweeps/${encodeURIComponent(id)}`;
  let shown = "";
  let busy = false;

  /** Puts the page as it is now in place of the part that lives, unless the reader is at work in it. */
  const renew = async (): Promise<boolean> => {
    if (live.contains(document.activeElement)) return false;
    const answer = await fetchPage(`/sweeps/${encodeURIComponent(id)}?still=1`, {});
    const theirs = answer.ok ? answer.value.getElementById("live") : null;
    if (theirs === null || live.contains(document.activeElement)) return false;
    const scrolled = all(".wide, .picture-scroll", HTMLElement, live).map((box) => box.scrollLeft);
    take(live, theirs);
    all(".wide, .picture-scroll", HTMLElement, live).forEach((box, at) => (box.scrollLeft = scrolled[at] ?? 0));
    return true;
  };

  const look = async (): Promise<void> => {
    if (busy || document.hidden) return;
    busy = true;
    const answer = await get<SweepView>(address);
    if (answer.ok) {
      const { over, drafts, cost } = answer.value;
      const now = JSON.stringify(answer.value);
      if (now !== shown && (await renew())) {
        shown = now;
        text(need("#said", HTMLElement), `${over} of ${count(cost.runs, "run has", "runs have")} ended.`);
      }
      if (shown === now && over + drafts >= cost.runs) clearInterval(timer);
    }
    busy = false;
  };
  const timer = setInterval(() => void look(), LOOK);
  on(document, "visibilitychange", () => void look());
}

const form = find("#sweep-form", HTMLFormElement);
if (form) putTogether(form);
const live = find("#live[data-lives]", HTMLElement);
if (live) follow(live);
