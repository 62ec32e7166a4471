// Lines over a common axis, drawn by uPlot in the page's colours: they follow the theme and the width, stay cheap with
// 10^4 points, and can be read without being seen. For points only, see scatter.ts.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "./chart.css";
import { decimate, type Numbers, type Picture } from "./decimate.ts";
import { make, on, text } from "./dom.ts";
import { count, figure } from "./format.ts";
import { DASHES, Legend, type Mark } from "./legend.ts";
import { calm, onTheme, type Theme, themeAt } from "./theme.ts";

export type { Numbers } from "./decimate.ts";

/** One of the two axes. */
export interface Axis {
  readonly label: string;
  /** Shown behind the label and behind each value that is read. */
  readonly unit?: string;
  /** A number in words; `figure` if left out. */
  readonly format?: (value: number) => string;
  /** Powers of ten; all values must be above 0. */
  readonly log?: boolean;
  /** Whether the axis begins at 0: usual for y, not for x. */
  readonly zero?: boolean;
}

/** One line. */
export interface Line {
  readonly label: string;
  /** Which of `--series-1` … `--series-6`; in turn if left out. */
  readonly colour?: number;
  /** Lengths of dashes and gaps; in turn if left out, `[]` for a solid line. */
  readonly dash?: readonly number[];
  /** Width in pixels; 2 if left out. */
  readonly width?: number;
}

/** What a chart shows; the numbers come with `setData`. */
export interface Spec {
  /** What it shows, for those who do not see it. */
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** Pixels; 280 if left out. */
  readonly height?: number;
}

const HEIGHT = 280;
/** Milliseconds between two pictures for readers who asked for little motion. */
const CALM = 1000;

/** A line needs two points to be seen; a lone one is drawn as such. */
const LONE = { show: (plot: uPlot): boolean => plot.data[0].length === 1, size: 7 };

/** A chart of lines in `host`, which should be an empty `<figure>` or `<div>`. */
export class Chart {
  readonly #frame: Frame;
  #x: Numbers = [];
  #ys: readonly Numbers[] = [];

  constructor(host: HTMLElement, spec: Spec) {
    const marks = spec.lines.map((line, i) => ({ label: line.label, dash: dashOf(line, i) }));
    const series = spec.lines.map((line, i) => ({ width: line.width ?? 2, dash: dashOf(line, i), points: LONE }));
    const colours = spec.lines.map((line, i) => line.colour ?? (i % 6) + 1);
    this.#frame = new Frame(host, { ...spec, marks, series, colours }, () =>
      decimate(this.#x, this.#ys, this.#frame.width()),
    );
  }

  /**
   * Shows these numbers with the next frame: `x` must not decrease, NaN is a gap. The arrays are read then, not copied:
   * for a run that grows give `subarray(0, n)` of larger ones.
   */
  setData(x: Numbers, ys: readonly Numbers[]): void {
    this.#x = x;
    this.#ys = ys;
    this.#frame.plan();
  }

  /** Takes the chart away. */
  remove(): void {
    this.#frame.remove();
  }
}

function dashOf(line: Line, i: number): number[] {
  return [...(line.dash ?? DASHES[i % DASHES.length] ?? [])];
}

/** What charts of lines and of points have in common. */
export interface FrameSpec {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly height?: number;
  readonly marks: readonly Mark[];
  /** uPlot's words for each series, but for its colour. */
  readonly series: readonly Partial<uPlot.Series>[];
  /** Which of the theme's colours each has, from 1. */
  readonly colours: readonly number[];
  /** For points alone: which one the pointer is at, and one in words. */
  readonly points?: {
    nearest(plot: uPlot): number | null;
    words(index: number): string;
    looked(index: number | null): void;
  };
}

/** Axes, colours, size, legend, keys: around whatever is drawn. */
export class Frame {
  readonly plot: uPlot;
  readonly place = make("div", { class: "chart-plot", role: "slider", tabindex: 0 });
  readonly #host: HTMLElement;
  readonly #spec: FrameSpec;
  readonly #legend: Legend;
  readonly #told = make("p", { class: "unseen" });
  readonly #picture: () => Picture;
  readonly #ends: (() => void)[] = [];
  #theme: Theme;
  #index: number | null = null;
  /** The point that the keys went to, while uPlot moves its cursor there. */
  #sent: number | null = null;
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #planned = false;
  #last = -Infinity;

  constructor(host: HTMLElement, spec: FrameSpec, picture: () => Picture) {
    this.#host = host;
    this.#spec = spec;
    this.#picture = picture;
    this.#theme = themeAt(host);
    this.#legend = new Legend(spec.marks);
    host.classList.add("chart");
    this.place.setAttribute("aria-label", spec.title);
    host.append(this.place, this.#legend.element, this.#told);
    this.plot = new uPlot(this.#options(), [[], ...spec.series.map(() => [])], this.place);
    this.#legend.paint(this.#colours());
    const sizes = new ResizeObserver(() => this.plan());
    sizes.observe(host);
    this.#ends.push(
      () => sizes.disconnect(),
      onTheme(() => this.#repaint()),
      on(this.place, "keydown", (event) => this.#key(event)),
      on(this.place, "blur", () => this.look(null)),
    );
  }

  /** How many pixels wide the lines are drawn. */
  width(): number {
    return Math.max(1, Math.round(this.plot.bbox.width / devicePixelRatio));
  }

  /** Draws with the next frame, however often it is asked for. */
  plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    const wait = calm() ? this.#last + CALM - performance.now() : 0;
    const draw = (): void => {
      this.#frame = requestAnimationFrame(() => this.#draw());
    };
    if (wait > 0) this.#timer = setTimeout(draw, wait);
    else draw();
  }

  /** Looks at the point of that number; null: at none. */
  look(index: number | null): void {
    const [x, y] = index === null ? [] : [this.plot.data[0][index], this.#firstOf(index)];
    this.#sent = index;
    if (x === undefined) this.plot.setCursor({ left: -10, top: -10 });
    else this.plot.setCursor({ left: this.plot.valToPos(x, "x"), top: y == null ? 0 : this.plot.valToPos(y, "y") });
    this.#sent = null;
  }

  /** The colour of a series, counted from 0. */
  colour(series: number): string {
    return this.#theme.series[(this.#spec.colours[series] ?? 1) - 1] ?? this.#theme.text;
  }

  remove(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#ends.forEach((end) => end());
    this.plot.destroy();
    this.#host.replaceChildren();
  }

  #draw(): void {
    this.#planned = false;
    this.#last = performance.now();
    const width = this.#host.clientWidth;
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: this.#spec.height ?? HEIGHT });
    const { x, ys } = this.#picture();
    this.plot.setData([x, ...ys]);
    this.#read();
    text(this.#told, this.#sentence());
  }

  #repaint(): void {
    this.#theme = themeAt(this.#host);
    this.#legend.paint(this.#colours());
    this.plot.redraw(false);
  }

  #colours(): string[] {
    return this.#spec.colours.map((_, i) => this.colour(i));
  }

  #key(event: KeyboardEvent): void {
    const end = this.plot.data[0].length - 1;
    const now = this.#index ?? end;
    const steps: Record<string, number | null> = {
      ArrowLeft: now - 1,
      ArrowDown: now - 1,
      ArrowRight: now + 1,
      ArrowUp: now + 1,
      PageDown: now - Math.ceil(end / 10),
      PageUp: now + Math.ceil(end / 10),
      Home: 0,
      End: end,
      Escape: null,
    };
    const to = steps[event.key];
    if (to === undefined || end < 0) return;
    event.preventDefault();
    this.look(to === null ? null : Math.min(end, Math.max(0, to)));
  }

  #firstOf(index: number): number | null {
    return this.plot.data.slice(1).map((row) => row[index]).find((value) => value != null) ?? null;
  }

  /** Says the values of the point that is looked at; of a line that none is looked at, the last one. */
  #read(): void {
    const { x, y, marks, points } = this.#spec;
    const [xs, ...ys] = this.plot.data;
    const end = xs.length - 1;
    const at = Math.min(this.#index ?? (points ? -1 : end), end);
    const words = ys.map((row) => {
      const value = at < 0 ? null : row[at];
      return value == null ? "" : said(y, value);
    });
    const values = marks.map((mark, i) => (words[i] ? `${mark.label} ${words[i]}` : "")).filter((one) => one !== "");
    let told = `${said(x, xs[at] ?? 0)}: ${values.join(", ")}`;
    if (at < 0) told = `${count(end + 1, "point", "points")}; the arrow keys go from one to the next`;
    else if (points) told = points.words(at);
    if (!points) this.#legend.say(words);
    for (const [name, value] of [["min", 0], ["max", Math.max(0, end)], ["now", Math.max(0, at)], ["text", told]]) {
      this.place.setAttribute(`aria-value${name}`, String(value));
    }
  }

  /** The chart in a few sentences. */
  #sentence(): string {
    const { x, y, marks, points } = this.#spec;
    const [xs, ...ys] = this.plot.data;
    if (xs.length === 0) return "There are no points yet.";
    const span = `${x.label} from ${said(x, xs[0] ?? 0)} to ${said(x, xs[xs.length - 1] ?? 0)}.`;
    const rows = ys.map((row, i) => {
      let [low, high, last, number] = [Infinity, -Infinity, NaN, 0];
      for (const value of row) {
        if (value == null) continue;
        [low, high, last, number] = [Math.min(low, value), Math.max(high, value), value, number + 1];
      }
      if (number === 0) return "";
      const also = points ? count(number, "point", "points") : `last ${said(y, last)}`;
      return ` ${marks[i]?.label ?? ""}: ${also}, least ${said(y, low)}, greatest ${said(y, high)}.`;
    });
    return span + rows.join("");
  }

  #options(): uPlot.Options {
    const spec = this.#spec;
    return {
      width: this.#host.clientWidth || 600,
      height: spec.height ?? HEIGHT,
      legend: { show: false },
      scales: { x: scale(spec.x, false, spec.points ? ROOM : 0), y: scale(spec.y, true, ROOM) },
      axes: [this.#axis(spec.x, false), this.#axis(spec.y, true)],
      series: [{}, ...spec.series.map((one, i) => ({ label: spec.marks[i]?.label ?? "", stroke: () => this.colour(i), ...one }))],
      cursor: {
        drag: { x: false, y: false },
        x: spec.points === undefined,
        y: false,
        points: spec.points ? { size: 16, width: 2, fill: "transparent" } : { size: 8 },
        dataIdx: (plot, series, nearest) => this.#shown(plot, series, nearest),
      },
      hooks: {
        setCursor: [
          (plot) => {
            if ((plot.cursor.left ?? -1) < 0) this.#index = null;
            this.#read();
            spec.points?.looked(this.#index);
          },
        ],
      },
    };
  }

  /** Which point of a series is marked. uPlot asks for the x axis first, and knows what is nearest in x alone. */
  #shown(plot: uPlot, series: number, nearest: number): number {
    if (series === 0) this.#index = this.#sent ?? (this.#spec.points ? this.#spec.points.nearest(plot) : nearest);
    // uPlot takes null, which its type does not say, and marks no point of that series then.
    return (this.#index !== null && plot.data[series]?.[this.#index] != null ? this.#index : null) as number;
  }

  #axis(axis: Axis, upright: boolean): uPlot.Axis {
    const words = axis.format ?? figure;
    const line = { stroke: () => this.#theme.line, width: 1 };
    return {
      label: axis.unit ? `${axis.label} (${axis.unit})` : axis.label,
      labelSize: 20,
      labelGap: 4,
      font: this.#theme.font,
      labelFont: this.#theme.font,
      stroke: () => this.#theme.quiet,
      grid: line,
      ticks: { ...line, size: 5 },
      space: upright ? 34 : 70,
      values: (_, splits) => splits.map((value) => (value == null ? "" : words(value))),
      ...(upright ? { size: widest } : { size: 27 }),
    };
  }
}

/** A value with its unit. */
export function said(axis: Axis, value: number): string {
  const words = (axis.format ?? figure)(value);
  return axis.unit ? `${words} ${axis.unit}` : words;
}

/** What an axis shows beyond its values, in parts of them, so that no point lies on the edge. */
const ROOM = 0.06;

function scale(axis: Axis, zero: boolean, room: number): uPlot.Scale {
  if (axis.log === true) {
    const range = (_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax => {
      if (low == null || high == null || low <= 0) return [1, 10];
      // uPlot counts its ticks from the lower end, so that has to be a round number.
      return [nextRound(low, -1), nextRound(high, 1)];
    };
    return { time: false, distr: 3, range };
  }
  const range = (_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax => {
    if (low == null || high == null) return [0, 1];
    const [from, to] = axis.zero ?? zero ? [Math.min(0, low), Math.max(0, high)] : [low, high];
    const span = to - from || Math.abs(to) || 1;
    // Zero itself stays the edge.
    const beyond = (edge: number, way: number): number => (edge === 0 ? 0 : edge + way * room * span);
    return from === to ? [beyond(from, -1), to + span] : [beyond(from, -1), beyond(to, 1)];
  };
  return { time: false, range };
}

/** The next of 1, 2, 5, 10, 20, … below (`way` -1) or above (1) a value, and not the value itself. */
export function nextRound(value: number, way: -1 | 1): number {
  const power = Math.floor(Math.log10(value));
  const near = [power - 1, power, power + 1].flatMap((n) => [1, 2, 5].map((digit) => Number(`${digit}e${n}`)));
  const beyond = near.filter((candidate) => way * (candidate - value) > 0);
  return way < 0 ? Math.max(...beyond) : Math.min(...beyond);
}

/** The room that the longest number beside an axis takes. */
function widest(plot: uPlot, values: string[] | null, index: number): number {
  if (!values?.length) return 40;
  // uPlot keeps the font with its size for this screen: the words are the first of the two.
  plot.ctx.font = plot.axes[index]?.font?.[0] ?? plot.ctx.font;
  const widths = values.map((value) => plot.ctx.measureText(value ?? "").width / devicePixelRatio);
  return Math.ceil(Math.max(...widths)) + 14;
}
