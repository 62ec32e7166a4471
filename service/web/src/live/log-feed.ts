// A log as it grows: one request that goes on, made again where it was cut.
import type { LogLines } from "./log-lines.ts";

/** Which of the two logs. */
export type Name = "out" | "err";

/** Bytes from the end that are fetched of a log that is there already. */
const TAIL = 16 << 20;
/** Milliseconds before a request is made again. */
const AGAIN = 2000;

/** What a feed tells. */
export interface Told {
  /** Lines were added, and so many went from the beginning. */
  more(dropped: number): void;
  /** Bytes before the first line, and bytes that will never come (null: not known). */
  holes(before: number, missing: number | null): void;
  /** The feed has come to its end, or waits for it. */
  alive(follows: boolean): void;
}

/** Fetches one log of a job into `lines`. */
export class Feed {
  readonly #url: string;
  readonly #lines: LogLines;
  readonly #told: Told;
  #stop = new AbortController();
  #offset = -1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #runs = false;
  #decoder = new TextDecoder();

  constructor(job: string, lines: LogLines, told: Told) {
    this.#url = `/api/v1/jobs/${encodeURIComponent(job)}/log/`;
    this.#lines = lines;
    this.#told = told;
  }

  /** Begins with a log; `runs`: whether more may come. */
  open(name: Name, runs: boolean): void {
    this.close();
    this.#lines.clear();
    this.#told.more(0);
    this.#offset = -1;
    this.#decoder = new TextDecoder();
    this.#runs = runs;
    void this.#fetch(name);
  }

  /** Nothing more will be written: what is still on its way is fetched, and that is the end. */
  finish(): void {
    this.#runs = false;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  async #fetch(name: Name): Promise<void> {
    const { signal } = this.#stop;
    const follows = this.#runs;
    const from = this.#offset < 0 ? `tail=${TAIL}` : `offset=${this.#offset}`;
    try {
      const response = await fetch(`${this.#url}${name}?${from}${follows ? "&follow=true" : ""}`, { signal });
      if (response.ok && response.body !== null) {
        const before = Number(response.headers.get("x-log-offset") ?? 0);
        const missing = response.headers.get("x-log-missing");
        if (this.#offset < 0) this.#offset = before;
        this.#told.holes(this.#offset === before ? before : -1, missing === null ? null : Number(missing));
        this.#told.alive(follows);
        await this.#read(response.body);
      } else if (response.status !== 404 && response.status !== 429) {
        follows && this.#again(name, signal, 5 * AGAIN);
        return;
      }
    } catch {
      // Cut, or aborted: below it is decided whether to come again.
    }
    if (signal.aborted) return;
    // Once more after the end, for what came last and for what is known to be missing.
    if (follows) this.#again(name, signal, AGAIN);
    else this.#told.alive(false);
  }

  #again(name: Name, signal: AbortSignal, wait: number): void {
    this.#timer = setTimeout(() => {
      if (!signal.aborted) void this.#fetch(name);
    }, wait);
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#offset += value.byteLength;
      this.#told.more(this.#lines.add(this.#decoder.decode(value, { stream: true })));
    }
  }
}
