// A log on the page: of its lines only those that are seen are in the page, however many there are.
//
//   bar      which log · search, back and on, how many · follow · download
//   view     a box that scrolls; `room` gives it the height of all lines, `lines` holds those that are seen
import { calmly, make, on, show, text } from "../lib/dom.ts";
import { bytes, count } from "../lib/format.ts";
import { Feed, type Name } from "./log-feed.ts";
import { LogLines, pieces, Search } from "./log-lines.ts";

/** Lines beyond both edges of what is seen. */
const MARGIN = 8;
/** Pixels from the end at which the reader counts as being at the end. */
const NEAR = 30;
/** Browsers give up on boxes higher than this: beyond it the lines are squeezed together, not lost. */
const HIGHEST = 8_000_000;

/** The log of a job in `host`. */
export class LogView {
  readonly #lines = new LogLines();
  readonly #search = new Search(this.#lines);
  readonly #feed: Feed;
  readonly #url: string;
  readonly #view = make("div", { class: "logview", tabindex: 0, role: "region" });
  readonly #room = make("div", { class: "room" });
  readonly #shown = make("div", { class: "lines" });
  readonly #follow = make("button", { type: "button", class: "second", "aria-pressed": "true" }, "Follow");
  readonly #find = make("input", { type: "search", id: "log-find", autocomplete: "off", spellcheck: "false" });
  readonly #found = make("span", { class: "found quiet", role: "status" });
  readonly #holes = make("p", { class: "note" });
  readonly #end = make("p", { class: "quiet" });
  readonly #download = make("p", {}, make("a", { download: true }, "Download all of it"));
  readonly #bar = make("div", { class: "logbar" });
  readonly #tabs: readonly HTMLButtonElement[];
  #name: Name = "out";
  /** Whether the log is followed, once its first bytes or its end came. */
  #alives: boolean | null = null;
  #runs: boolean;
  #follows: boolean;
  /** The line of the hit that was gone to. */
  #here = -1;
  #height = 20;
  #planned = false;
  #drawn = "";
  /** Where the view was last scrolled to by this code: what is elsewhere was the reader. */
  #at = 0;

  constructor(host: HTMLElement, job: string, runs: boolean) {
    this.#runs = runs;
    this.#follows = runs;
    this.#url = `/api/v1/jobs/${encodeURIComponent(job)}/log/`;
    this.#feed = new Feed(job, this.#lines, {
      more: (dropped) => this.#more(dropped),
      holes: (before, missing) => this.#hole(before, missing),
      alive: (follows) => this.#alive(follows),
    });
    const tab = (name: Name, words: string): HTMLButtonElement => {
      const button = make("button", { type: "button", class: "second", "aria-pressed": String(name === "out") }, words);
      on(button, "click", () => this.#open(name));
      return button;
    };
    this.#tabs = [tab("out", "Output"), tab("err", "Warnings and errors")];
    const back = make("button", { type: "button", class: "second" }, "Previous");
    const next = make("button", { type: "button", class: "second" }, "Next");
    on(back, "click", () => this.#go(true));
    on(next, "click", () => this.#go(false));
    on(this.#find, "keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#go(event.shiftKey);
    });
    on(this.#find, "input", calmly(120, () => this.#look()));
    on(this.#follow, "click", () => this.#setFollow(!this.#follows));
    on(this.#view, "scroll", () => this.#scrolled(), { passive: true });
    const field = make("div", { class: "field" }, make("label", { for: "log-find" }, "Search in the log"), this.#find);
    const which = make("div", { class: "buttons log-which", role: "group", "aria-label": "Which log" }, ...this.#tabs);
    this.#view.append(this.#room, this.#shown);
    this.#bar.append(field, back, next, this.#found, this.#follow);
    host.append(which, this.#bar, this.#holes, this.#view, this.#end, this.#download);
    new ResizeObserver(() => this.#plan()).observe(this.#view);
    show(host, true);
    show(this.#holes, false);
    this.#height = this.#measure();
    this.#open("out");
    on(window, "pagehide", () => this.#feed.close());
  }

  /** Another try began: its log is another one. */
  again(): void {
    this.#runs = true;
    this.#open(this.#name);
  }

  /** The run has ended. */
  finish(): void {
    this.#runs = false;
    this.#feed.finish();
  }

  #open(name: Name): void {
    this.#name = name;
    this.#tabs.forEach((tab, i) => tab.setAttribute("aria-pressed", String((i === 0) === (name === "out"))));
    this.#view.setAttribute("aria-label", name === "out" ? "What the program printed" : "What it printed as warnings and errors");
    this.#download.querySelector("a")?.setAttribute("href", this.#url + name);
    this.#alives = null;
    this.#here = -1;
    this.#drawn = "";
    show(this.#holes, false);
    text(this.#end, "");
    this.#setFollow(this.#runs);
    this.#feed.open(name, this.#runs);
    this.#look();
  }

  #more(dropped: number): void {
    this.#search.more(dropped);
    if (dropped > 0 && this.#here >= 0) this.#here = Math.max(-1, this.#here - dropped);
    this.#plan();
  }

  #hole(before: number, missing: number | null): void {
    const said: string[] = [];
    if (before > 0) said.push(`${bytes(before)} come before and are not shown here; the download has them.`);
    if (missing !== null && missing > 0) said.push(`${count(missing, "byte is", "bytes are")} missing: the node could not deliver them.`);
    if (before < 0 && said.length === 0) return;
    text(this.#holes, said.join(" "));
    show(this.#holes, said.length > 0);
  }

  #alive(follows: boolean): void {
    show(this.#follow, follows);
    this.#alives = follows;
    this.#plan();
  }

  /** An empty log has nothing to look at, to search or to load: a sentence says so. */
  #state(): void {
    const empty = this.#lines.count === 0;
    for (const part of [this.#bar, this.#view, this.#download]) show(part, !empty);
    if (this.#alives === null) return;
    const followed = empty ? "Nothing was printed yet. What comes is shown here." : "The log is followed as it grows.";
    text(this.#end, this.#alives ? followed : empty ? "Nothing was printed." : "This is all of it.");
  }

  #setFollow(follows: boolean): void {
    this.#follows = follows;
    this.#follow.setAttribute("aria-pressed", String(follows));
    text(this.#follow, follows ? "Following the end" : "Follow the end");
    this.#plan();
  }

  #scrolled(): void {
    const view = this.#view;
    // Our own scrolling is told as well: it is where we put it.
    if (Math.abs(view.scrollTop - this.#at) > 2) {
      const atEnd = view.scrollTop + view.clientHeight >= view.scrollHeight - NEAR;
      if (this.#follows && !atEnd) this.#setFollow(false);
      else if (!this.#follows && atEnd && this.#runs) this.#setFollow(true);
    }
    this.#at = view.scrollTop;
    this.#plan();
  }

  #look(): void {
    this.#search.look(this.#find.value.trim());
    this.#here = -1;
    if (this.#search.word !== "") this.#go(false, this.#first());
    this.#drawn = "";
    this.#plan();
  }

  #go(back: boolean, from = this.#here): void {
    const line = this.#search.step(from, back);
    if (line < 0) return;
    this.#here = line;
    this.#setFollow(false);
    this.#scrollTo(Math.max(0, line * this.#scale() - this.#view.clientHeight / 3));
    this.#drawn = "";
    this.#plan();
  }

  /** The line before the first that is seen. */
  #first(): number {
    return Math.floor(this.#view.scrollTop / this.#scale()) - 1;
  }

  #scale(): number {
    const all = this.#lines.count * this.#height;
    return all > HIGHEST ? HIGHEST / this.#lines.count : this.#height;
  }

  #scrollTo(top: number): void {
    this.#room.style.height = `${Math.ceil(this.#lines.count * this.#scale())}px`;
    this.#view.scrollTop = top;
    this.#at = this.#view.scrollTop;
  }

  #measure(): number {
    const line = make("div", {}, "x");
    this.#shown.append(line);
    const height = line.getBoundingClientRect().height;
    line.remove();
    return height > 0 ? height : 20;
  }

  /** Draws with the next frame, however often it is asked for. */
  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#draw();
    });
  }

  #draw(): void {
    this.#state();
    const [lines, scale] = [this.#lines.count, this.#scale()];
    const high = this.#view.clientHeight;
    if (this.#follows) this.#scrollTo(lines * scale);
    else this.#room.style.height = `${Math.ceil(lines * scale)}px`;
    const top = this.#view.scrollTop;
    const first = Math.max(0, Math.floor(top / scale) - MARGIN);
    const last = Math.min(lines, first + Math.ceil(high / this.#height) + 2 * MARGIN);
    this.#say();
    // The last line may have grown in place: it is part of what tells two pictures apart.
    const drawn = `${first} ${last} ${this.#lines.gone} ${last === lines ? this.#lines.line(last - 1) : ""}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#fill(first, last);
    // Where lines are squeezed, those that are seen stand where the view is.
    const at = scale === this.#height ? first * scale : Math.max(0, top - MARGIN * this.#height);
    this.#shown.style.transform = `translateY(${at}px)`;
  }

  /** Puts these lines into the page, into the elements that are there. */
  #fill(first: number, last: number): void {
    const shown = this.#shown;
    while (shown.childElementCount > last - first) shown.lastElementChild?.remove();
    while (shown.childElementCount < last - first) shown.append(make("div"));
    const word = this.#search.word;
    let row = shown.firstElementChild;
    for (let n = first; n < last && row !== null; n += 1) {
      const line = this.#lines.line(n);
      if (word !== "" && line.toLowerCase().includes(word)) {
        row.replaceChildren(...pieces(line, word).map((piece, i) => (i % 2 === 1 ? make("mark", {}, piece) : piece)));
        row.className = n === this.#here ? "here" : "";
      } else {
        if (row.className !== "") row.className = "";
        text(row, line);
      }
      row = row.nextElementSibling;
    }
  }

  /** How many hits there are, and which is gone to. */
  #say(): void {
    const { word, found } = this.#search;
    if (word === "") return text(this.#found, "");
    if (found.length === 0) return text(this.#found, "not found");
    const at = this.#here < 0 ? 0 : found.indexOf(this.#here) + 1;
    text(this.#found, at > 0 ? `${at} of ${found.length} lines` : count(found.length, "line", "lines"));
  }
}
