// What every page gets: times that stay fresh, and buttons that copy.
//
//   <time datetime="2026-11-23T03:50:00Z" title="…">1 min ago</time>   the words are renewed every half minute
//   <pre data-copy>…</pre>                         a button that copies its text is put after it
//   <button hidden data-copy="#id">Copy</button>   is shown, and copies the text or value of that element
//   <button hidden data-copy="words">Copy</button> is shown, and copies these words
//
// `<html data-now="MILLISECONDS">`, the service's clock when the page was made, mends a wrong clock of the browser.
import { all, on, text } from "../lib/dom.ts";
import { ago } from "../lib/format.ts";

// What needs a script is shown from here on; see `.needs-script`.
document.documentElement.classList.add("lives");

const FRESH = 30_000;
const SAID = 2500;

const now = Number(document.documentElement.dataset["now"]);
const ahead = now > 0 ? Date.now() - now : 0;

function freshen(): void {
  // Times that are written out have no title with the same; they stay as they are.
  for (const time of all("time[datetime][title]", HTMLTimeElement)) {
    const at = Date.parse(time.dateTime);
    if (!Number.isNaN(at)) text(time, ago(at, Date.now() - ahead));
  }
}

function wordsOf(element: Element): string {
  const typed = element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement;
  return (typed ? element.value : (element.textContent ?? "")).trim();
}

async function copy(words: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    // Without TLS there is no clipboard of that kind; the old way takes what is marked.
    const area = document.createElement("textarea");
    area.value = words;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function arm(element: HTMLElement): void {
  const own = element instanceof HTMLButtonElement;
  const button = own ? element : document.createElement("button");
  const said = document.createElement("span");
  said.className = "unseen";
  said.setAttribute("role", "status");
  if (own) {
    button.hidden = false;
  } else {
    button.textContent = "Copy";
    button.className = "second copy";
    element.after(button);
  }
  button.type = "button";
  button.after(said);
  const usual = button.textContent ?? "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  on(button, "click", async () => {
    const what = element.dataset["copy"] ?? "";
    const from = !own ? element : what.startsWith("#") ? document.getElementById(what.slice(1)) : null;
    const words = (await copy(from ? wordsOf(from) : what)) ? "Copied" : "Mark the text and copy it by hand";
    button.focus();
    button.textContent = words;
    said.textContent = words;
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.textContent = usual;
      said.textContent = "";
    }, SAID);
  });
}

all("[data-copy]", HTMLElement).forEach(arm);
freshen();
setInterval(freshen, FRESH);
on(document, "visibilitychange", freshen);
