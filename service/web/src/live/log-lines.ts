// The lines of a log that grows: cut out of what arrives, made plain, kept up to a limit, searched.
import { plainLine } from "./plain.ts";

/** Lines that are kept; older ones go, and are counted. */
const MOST = 200_000;
/** Characters after which a line is broken: what has no line ends must not become one line of megabytes. */
const LONGEST = 4000;

/** The lines of one log. */
export class LogLines {
  #lines: string[] = [];
  /** What has no line end yet, as it came. */
  #open = "";
  #gone = 0;
  readonly #most: number;

  constructor(most = MOST) {
    this.#most = most;
  }

  /** Lines to show; the last one may still grow. */
  get count(): number {
    return this.#lines.length + (this.#open === "" ? 0 : 1);
  }

  /** Lines that were dropped to keep the limit. */
  get gone(): number {
    return this.#gone;
  }

  /** The line of that number, from 0. */
  line(n: number): string {
    return n < this.#lines.length ? (this.#lines[n] ?? "") : plainLine(this.#open);
  }

  /** More of the log; says how many lines were dropped from the beginning. */
  add(text: string): number {
    const parts = (this.#open + text).split("\n");
    this.#open = parts.pop() ?? "";
    for (const part of parts) this.#keep(plainLine(part));
    while (this.#open.length > LONGEST) {
      this.#keep(plainLine(this.#open.slice(0, LONGEST)));
      this.#open = this.#open.slice(LONGEST);
    }
    const over = this.#lines.length - this.#most;
    // In larger pieces, as each one moves all that is kept.
    if (over <= this.#most / 10) return 0;
    this.#lines.splice(0, over);
    this.#gone += over;
    return over;
  }

  /** Forgets all. */
  clear(): void {
    this.#lines = [];
    this.#open = "";
    this.#gone = 0;
  }

  #keep(line: string): void {
    if (line.length <= LONGEST) {
      this.#lines.push(line);
      return;
    }
    for (let from = 0; from < line.length; from += LONGEST) this.#lines.push(line.slice(from, from + LONGEST));
  }
}

/** The lines in which a word was found, large and small letters alike; followed as the log grows. */
export class Search {
  #word = "";
  #found: number[] = [];
  #seen = 0;
  readonly #lines: LogLines;

  constructor(lines: LogLines) {
    this.#lines = lines;
  }

  get word(): string {
    return this.#word;
  }

  /** Numbers of lines, in order. */
  get found(): readonly number[] {
    return this.#found;
  }

  /** Looks for another word; none where it is empty. */
  look(word: string): void {
    this.#word = word.toLowerCase();
    [this.#found, this.#seen] = [[], 0];
    this.more();
  }

  /** Looks at what has come since, after `dropped` lines went from the beginning. */
  more(dropped = 0): void {
    if (dropped > 0) {
      this.#found = this.#found.map((n) => n - dropped).filter((n) => n >= 0);
      this.#seen = Math.max(0, this.#seen - dropped);
    }
    const end = this.#lines.count;
    if (this.#word !== "") {
      // The last line may have grown since it was looked at.
      if (this.#found.at(-1) === this.#seen - 1) this.#found.pop();
      for (let n = Math.max(0, this.#seen - 1); n < end; n += 1) {
        if (this.#lines.line(n).toLowerCase().includes(this.#word)) this.#found.push(n);
      }
    }
    this.#seen = end;
  }

  /** The first found line after `line`, or before it with `back`; round the end, to the other end. -1: there is none. */
  step(line: number, back: boolean): number {
    const found = this.#found;
    if (found.length === 0) return -1;
    const next = lowerBound(found, back ? line : line + 1) - (back ? 1 : 0);
    return found[(next + found.length) % found.length] ?? -1;
  }
}

/** The first place in a sorted list whose number is not below `value`. */
function lowerBound(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A line cut where the word stands in it: pieces without and with it in turn, beginning with one without. */
export function pieces(line: string, word: string): string[] {
  const made: string[] = [];
  const low = line.toLowerCase();
  let from = 0;
  // Letters whose small form is longer would move the places: such a line is shown without marks.
  if (word === "" || low.length !== line.length) return [line];
  for (let at = low.indexOf(word); at >= 0; at = low.indexOf(word, from)) {
    made.push(line.slice(from, at), line.slice(at, at + word.length));
    from = at + word.length;
  }
  return [...made, line.slice(from)];
}
