// What stands below a chart in HTML: a mark, a name and a value for each series, and the chart in a sentence.
import { make, makeSvg, text } from "./dom.ts";

/** How points of a group look; the shape tells groups apart where colours do not. */
export const SHAPES = ["circle", "square", "triangle", "diamond", "cross", "down"] as const;
export type Shape = (typeof SHAPES)[number];

/** Dashes of lines, for the same reason. The first is solid. */
export const DASHES: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 4], [4, 2]];

/** The outline of a shape around a point, as steps from it in units of its radius. */
export const OUTLINES: Readonly<Record<Exclude<Shape, "circle">, readonly (readonly [number, number])[]>> = {
  square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  triangle: [[0, -1.15], [1.1, 0.85], [-1.1, 0.85]],
  down: [[0, 1.15], [1.1, -0.85], [-1.1, -0.85]],
  diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  cross: [
    [-1.2, -0.4], [-0.4, -0.4], [-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4],
    [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4],
  ],
};

/** One series in a legend. */
export interface Mark {
  readonly label: string;
  /** Of a line. */
  readonly dash?: readonly number[];
  /** Of points. */
  readonly shape?: Shape;
}

/** The legend of a chart. */
export class Legend {
  readonly element = make("ul", { class: "chart-legend" });
  readonly #marks: SVGElement[] = [];
  readonly #values: HTMLElement[] = [];

  constructor(series: readonly Mark[]) {
    for (const one of series) {
      const mark = one.shape === undefined ? lineMark(one.dash ?? []) : pointMark(one.shape);
      const value = make("span", { class: "chart-value" });
      this.#marks.push(mark);
      this.#values.push(value);
      const drawing = makeSvg("svg", { width: 28, height: 12, viewBox: "0 0 28 12", "aria-hidden": "true" }, mark);
      this.element.append(make("li", {}, drawing, make("span", {}, one.label), value));
    }
  }

  /** Gives the marks their colours. */
  paint(colours: readonly string[]): void {
    this.#marks.forEach((mark, i) => {
      const name = mark.localName === "line" ? "stroke" : "fill";
      mark.setAttribute(name, colours[i] ?? "currentColor");
    });
  }

  /** Says the values of the moment that is looked at. */
  say(values: readonly string[]): void {
    this.#values.forEach((place, i) => text(place, values[i] ?? ""));
  }
}

function lineMark(dash: readonly number[]): SVGElement {
  return makeSvg("line", { x1: 1, x2: 27, y1: 6, y2: 6, "stroke-width": 2.5, "stroke-dasharray": dash.join(" ") });
}

function pointMark(shape: Shape): SVGElement {
  if (shape === "circle") return makeSvg("circle", { cx: 14, cy: 6, r: 4.5 });
  const points = OUTLINES[shape].map(([x, y]) => `${14 + 4.5 * x},${6 + 4.5 * y}`).join(" ");
  return makeSvg("polygon", { points });
}
