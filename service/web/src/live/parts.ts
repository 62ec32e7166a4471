// Takes parts of a page anew from the service, which makes them: only what changed is changed, the reader's place, focus
// and opened details stay.
import { all } from "../lib/dom.ts";
import { keepTokens } from "../lib/tokens.ts";

/** Takes the parts `data-part` of the page at `url` anew; whether it was there. */
export async function renew(url: string): Promise<boolean> {
  let fresh: Document;
  try {
    const response = await fetch(url, { headers: { accept: "text/html" }, credentials: "same-origin" });
    if (!response.ok) return false;
    fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return false;
  }
  for (const old of all("[data-part]", HTMLElement)) {
    const made = fresh.querySelector(`[data-part="${old.dataset["part"] ?? ""}"]`);
    if (made === null) continue;
    keepOpen(old, made);
    keepTokens(made);
    if (old.innerHTML !== made.innerHTML) replace(old, made);
  }
  return true;
}

/** What the reader has opened stays open. */
function keepOpen(old: HTMLElement, made: Element): void {
  for (const details of all("details[open][id]", HTMLDetailsElement, old)) {
    made.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
}

function replace(old: HTMLElement, made: Element): void {
  // The reader works in this part: it is left alone until they leave it.
  if (old.contains(document.activeElement)) {
    const later = (event: FocusEvent): void => {
      if (event.relatedTarget instanceof Node && old.contains(event.relatedTarget)) return;
      old.removeEventListener("focusout", later);
      put(old, made);
    };
    old.addEventListener("focusout", later);
    return;
  }
  put(old, made);
}

/** Changes the children from the first to the last that differ, and leaves the others as they are. */
function put(old: HTMLElement, made: Element): void {
  const [have, want] = [[...old.childNodes], [...made.childNodes]];
  let [from, tail] = [0, 0];
  const same = (a: Node | undefined, b: Node | undefined): boolean => a !== undefined && b !== undefined && a.isEqualNode(b);
  while (same(have[from], want[from])) from += 1;
  while (tail < Math.min(have.length, want.length) - from && same(have.at(-1 - tail), want.at(-1 - tail))) tail += 1;
  const after = have[have.length - tail] ?? null;
  have.slice(from, have.length - tail).forEach((node) => node.remove());
  for (const node of want.slice(from, want.length - tail)) old.insertBefore(document.importNode(node, true), after);
}

/** `renew`, at most once in `ms` milliseconds, the last call in any case. */
export function renewing(url: string, ms: number, then: () => void = () => undefined): () => void {
  let [last, planned, under] = [-Infinity, false, false];
  const run = async (): Promise<void> => {
    [planned, under, last] = [false, true, performance.now()];
    if (await renew(url)) then();
    under = false;
  };
  return () => {
    if (planned) return;
    planned = true;
    const wait = Math.max(0, last + ms - performance.now(), under ? ms : 0);
    setTimeout(() => void run(), wait);
  };
}
