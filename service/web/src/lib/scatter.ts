// Points in groups, each with a shape and a colour: one result a point. Looked at by pointer or arrow keys, and picked
// by a click or Enter.
import uPlot from "uplot";
import { type Axis, Frame, said } from "./chart.ts";
import type { Drawn, Numbers, Picture } from "./decimate.ts";
import { make, on, text } from "./dom.ts";
import { OUTLINES, SHAPES, type Shape } from "./legend.ts";

/** Points that belong together. */
export interface Group {
  readonly label: string;
  /** Which of `--series-1` … `--series-6`; in turn if left out. */
  readonly colour?: number;
  /** In turn if left out. */
  readonly shape?: Shape;
}

/** One point: the number of its group, and its number in that group's data. */
export interface Point {
  readonly group: number;
  readonly index: number;
}

/** What a scatter plot shows; the numbers come with `setData`. */
export interface ScatterSpec {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly groups: readonly Group[];
  readonly height?: number;
  /** A point in words, shown below while it is looked at; group and values if left out. */
  readonly describe?: (point: Point) => string;
  /** A point was clicked, or Enter pressed on it. */
  readonly picked?: (point: Point) => void;
  /** Whether a point has a ring around it: one that is chosen. `redraw` once that changed. */
  readonly ringed?: (point: Point) => boolean;
}

/** The numbers of one group. */
export interface GroupData {
  readonly x: Numbers;
  readonly y: Numbers;
}

/** All points in the order of x, as uPlot wants them, and where each came from. */
export interface Merged extends Picture {
  readonly from: readonly Point[];
}

const RADIUS = 4.5;
/** Pixels between the pointer and a point that is looked at, at most. */
const REACH = 30;

/** A scatter plot in `host`, which should be an empty `<figure>` or `<div>`. */
export class Scatter {
  readonly #spec: ScatterSpec;
  readonly #frame: Frame;
  readonly #reading = make("p", { class: "chart-reading", "aria-hidden": "true" });
  readonly #off: (() => void)[];
  #merged: Merged = { x: [], ys: [], from: [] };
  #at: number | null = null;

  constructor(host: HTMLElement, spec: ScatterSpec) {
    this.#spec = spec;
    const shapes = spec.groups.map((group, i) => group.shape ?? SHAPES[i % SHAPES.length] ?? "circle");
    const colours = spec.groups.map((group, i) => group.colour ?? (i % 6) + 1);
    const ringed = (index: number): boolean => {
      const point = this.#merged.from[index];
      return point !== undefined && (spec.ringed?.(point) ?? false);
    };
    const fill = (i: number) => (): string => this.#frame.colour(i);
    const series = shapes.map((shape, i) => ({ fill: fill(i), width: 1, points: { show: false }, paths: drawn(shape, ringed) }));
    this.#frame = new Frame(
      host,
      {
        ...spec,
        marks: spec.groups.map((group, i) => ({ label: group.label, shape: shapes[i] ?? "circle" })),
        series,
        colours,
        points: {
          nearest: (plot) => this.#nearest(plot),
          words: (index) => this.#words(index),
          looked: (index) => {
            this.#at = index;
            text(this.#reading, index === null ? "" : this.#words(index));
          },
        },
      },
      () => this.#merged,
    );
    host.append(this.#reading);
    if (spec.picked !== undefined) host.classList.add("picks");
    this.#off = [
      on(this.#frame.plot.over, "click", () => this.#pick()),
      on(this.#frame.place, "keydown", (event) => {
        if (event.key === "Enter") this.#pick();
      }),
    ];
  }

  /** Shows these points with the next frame: one entry a group; a point with NaN is left out. */
  setData(groups: readonly GroupData[]): void {
    this.#merged = merge(groups);
    this.#frame.plan();
  }

  /** Draws the same points again with the next frame. */
  redraw(): void {
    this.#frame.plan();
  }

  /** Takes the plot away. */
  remove(): void {
    this.#off.forEach((end) => end());
    this.#frame.remove();
  }

  #pick(): void {
    const point = this.#at === null ? undefined : this.#merged.from[this.#at];
    if (point !== undefined) this.#spec.picked?.(point);
  }

  #words(index: number): string {
    const { x, y, groups, describe } = this.#spec;
    const point = this.#merged.from[index];
    if (point === undefined) return "";
    if (describe !== undefined) return describe(point);
    const [at, value] = [this.#merged.x[index] ?? NaN, this.#merged.ys[point.group]?.[index] ?? NaN];
    return `${groups[point.group]?.label ?? ""}: ${x.label} ${said(x, at)}, ${y.label} ${said(y, value)}`;
  }

  /** The point that the pointer is at. */
  #nearest(plot: uPlot): number | null {
    const { left = -1, top = -1 } = plot.cursor;
    let [found, least]: [number | null, number] = [null, REACH ** 2];
    this.#merged.from.forEach(({ group }, i) => {
      const [at, value] = [this.#merged.x[i], this.#merged.ys[group]?.[i]];
      if (at === undefined || value == null) return;
      const distance = (plot.valToPos(at, "x") - left) ** 2 + (plot.valToPos(value, "y") - top) ** 2;
      if (distance < least) [found, least] = [i, distance];
    });
    return found;
  }
}

/** Points of all groups in the order of x. */
export function merge(groups: readonly GroupData[]): Merged {
  const all = groups.flatMap(({ x, y }, group) =>
    Array.from(x, (at, index) => ({ at, value: y[index] ?? NaN, group, index })),
  );
  const points = all.filter(({ at, value }) => Number.isFinite(at) && Number.isFinite(value));
  points.sort((a, b) => a.at - b.at || a.value - b.value);
  const row = (group: number): Drawn => points.map((point) => (point.group === group ? point.value : null));
  return {
    x: points.map((point) => point.at),
    ys: groups.map((_, group) => row(group)),
    from: points.map(({ group, index }) => ({ group, index })),
  };
}

/** Draws the points of a series as one path of that shape. */
function drawn(shape: Shape, ringed: (index: number) => boolean): uPlot.Series.PathBuilder {
  return (plot, series, from, to) => {
    const path = new Path2D();
    const rings = new Path2D();
    const r = RADIUS * devicePixelRatio;
    const [xs, ys] = [plot.data[0], plot.data[series] ?? []];
    for (let i = from; i <= to; i += 1) {
      const [at, value] = [xs[i], ys[i]];
      if (at === undefined || value == null) continue;
      const [x, y] = [plot.valToPos(at, "x", true), plot.valToPos(value, "y", true)];
      mark(path, shape, x, y, r);
      // Two, one within the other: as one line of the points' own width it would hardly be seen.
      if (ringed(i)) for (const far of [2, 2.25]) mark(rings, "circle", x, y, far * r);
    }
    rings.addPath(path);
    return { fill: path, stroke: rings };
  };
}

function mark(path: Path2D, shape: Shape, x: number, y: number, r: number): void {
  if (shape === "circle") {
    path.moveTo(x + r, y);
    path.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  OUTLINES[shape].forEach(([dx, dy], i) => path[i === 0 ? "moveTo" : "lineTo"](x + r * dx, y + r * dy));
  path.closePath();
}
