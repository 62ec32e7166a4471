// The points of a run's curve: in arrays that are made once and grow by doubling, so that a point costs four writes.
import type { Progress } from "../lib/events.ts";
import { projected } from "./time-left.ts";

/** Room for so many points from the start; an attempt may tell of 20,000. */
const ROOM = 4096;

/** The rows of the chart, all of the same length. */
export interface Rows {
  readonly x: Float64Array;
  /** The latest step, so far, projected, the best. */
  readonly ys: readonly [Float64Array, Float64Array, Float64Array, Float64Array];
}

/** The curve of one try. */
export class CurveData {
  #room: number;
  #seconds: Float64Array;
  #now: Float64Array;
  #soFar: Float64Array;
  #projected: Float64Array;
  #best: Float64Array;
  #length = 0;
  #last: Progress | null = null;
  readonly #level: number;

  /** `best` is the level to compare with; NaN where there is none. */
  constructor(best = Number.NaN, room = ROOM) {
    this.#level = best;
    this.#room = Math.max(2, room);
    const row = (fill: number): Float64Array => new Float64Array(this.#room).fill(fill);
    [this.#seconds, this.#now, this.#soFar, this.#projected, this.#best] = [row(0), row(0), row(0), row(NaN), row(best)];
  }

  get length(): number {
    return this.#length;
  }

  /** The latest progress. */
  get last(): Progress | null {
    return this.#last;
  }

  /** One more point. Time that runs backwards is that of another try: the curve begins anew. */
  add(progress: Progress): void {
    if (this.#last !== null && progress.seconds < this.#last.seconds) this.clear();
    const n = this.#length;
    // One place is left for the projected end.
    if (n + 2 > this.#room) this.#grow();
    if (n > 0) this.#projected[n - 1] = NaN;
    this.#seconds[n] = progress.seconds;
    this.#now[n] = progress.score_now;
    this.#soFar[n] = progress.score;
    this.#length = n + 1;
    this.#last = progress;
  }

  /** Forgets all points. */
  clear(): void {
    this.#projected.fill(NaN, 0, this.#length + 1);
    this.#length = 0;
    this.#last = null;
  }

  /** What is to be drawn; while it runs with the projected end. */
  rows(runs: boolean): Rows {
    const n = this.#length;
    const end = runs && this.#last !== null && this.#last.fraction < 1 ? projected(this.#last) : null;
    this.#projected.fill(NaN, Math.max(0, n - 1), n + 1);
    if (end !== null && n > 0) {
      this.#seconds[n] = end.seconds;
      [this.#now[n], this.#soFar[n]] = [NaN, NaN];
      this.#projected[n - 1] = this.#soFar[n - 1] ?? NaN;
      this.#projected[n] = end.score;
    }
    const all = n + (end !== null && n > 0 ? 1 : 0);
    const cut = (row: Float64Array): Float64Array => row.subarray(0, all);
    return { x: cut(this.#seconds), ys: [cut(this.#now), cut(this.#soFar), cut(this.#projected), cut(this.#best)] };
  }

  #grow(): void {
    this.#room *= 2;
    const larger = (row: Float64Array, fill: number): Float64Array => {
      const made = new Float64Array(this.#room).fill(fill);
      made.set(row);
      return made;
    };
    this.#seconds = larger(this.#seconds, 0);
    this.#now = larger(this.#now, 0);
    this.#soFar = larger(this.#soFar, 0);
    this.#projected = larger(this.#projected, NaN);
    this.#best = larger(this.#best, this.#level);
  }
}
