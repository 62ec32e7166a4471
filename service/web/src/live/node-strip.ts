// The node while a job runs: each figure that it shows as a small line with its last value.
import { get } from "../lib/api.ts";
import { make, makeSvg, show, text } from "../lib/dom.ts";
import { bytes, figure, fixed } from "../lib/format.ts";

/** Milliseconds between two looks. */
const EVERY = 5000;
/** Points of a line. */
const POINTS = 120;

interface Series {
  readonly mean: readonly (number | null)[];
}

/** What this page reads of `GET /api/v1/jobs/{id}/metrics?points=…`. */
interface Metrics {
  readonly chart: { readonly series: Readonly<Record<string, Series>> } | null;
}

interface Figure {
  readonly name: string;
  readonly title: string;
  readonly words: (value: number) => string;
  /** The upper end where the figure has one. */
  readonly most?: number;
}

const hundredths = (value: number): string => `${fixed(100 * value, 0)} %`;
const perSecond = (value: number): string => `${bytes(Math.round(value))}/s`;

/** What is shown of a node, in this order. */
const FIGURES: readonly Figure[] = [
  { name: "cpu_busy_ratio", title: "CPU busy", words: hundredths, most: 1 },
  { name: "clock_mean_hz", title: "Clock", words: (hz) => `${fixed(hz / 1e9, 2)} GHz` },
  { name: "temperature_max_celsius", title: "Temperature", words: (celsius) => `${fixed(celsius, 0)} °C` },
  { name: "power_w", title: "Power", words: (watt) => `${figure(Math.round(watt))} W` },
  { name: "memory_used_bytes", title: "Memory used", words: bytes },
  { name: "swap_used_bytes", title: "Swap used", words: bytes },
  { name: "network_received_bytes_per_s", title: "Network in", words: perSecond },
  { name: "network_sent_bytes_per_s", title: "Network out", words: perSecond },
];

/** The strip of a job in `host`, with its figures in the list `list`. */
export class NodeStrip {
  readonly #host: HTMLElement;
  readonly #list: HTMLElement;
  readonly #url: string;
  readonly #cells = new Map<string, { line: SVGPolylineElement; value: HTMLElement; range: HTMLElement }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #runs = false;

  constructor(host: HTMLElement, list: HTMLElement, job: string) {
    this.#host = host;
    this.#list = list;
    this.#url = `/api/v1/jobs/${encodeURIComponent(job)}/metrics?points=${POINTS}`;
  }

  /** Looks now, and every few seconds while the job runs. */
  look(runs: boolean): void {
    clearTimeout(this.#timer);
    this.#runs = runs;
    void this.#look();
  }

  async #look(): Promise<void> {
    // Nobody sees a hidden page.
    if (!document.hidden) {
      const answer = await get<Metrics>(this.#url);
      if (answer.ok) this.#show(answer.value.chart?.series ?? {});
    }
    clearTimeout(this.#timer);
    if (this.#runs) this.#timer = setTimeout(() => void this.#look(), EVERY);
  }

  #show(series: Readonly<Record<string, Series>>): void {
    for (const figure of FIGURES) {
      const values = (series[figure.name]?.mean ?? []).map((value, i) => [i, value] as const);
      const known = values.filter((one): one is readonly [number, number] => one[1] !== null);
      const last = known.at(-1);
      // What is always nothing says nothing: swap, and a network that no rank uses.
      if (last === undefined || known.every(([, value]) => value === 0)) continue;
      const cell = this.#cell(figure);
      const [low, high] = [Math.min(...known.map(([, v]) => v)), Math.max(...known.map(([, v]) => v))];
      // A clock that falls by a tenth is to be seen, one that trembles by a thousandth is not.
      const span = Math.max(high - low, Math.abs(high) / 20);
      const [least, most] = figure.most === undefined ? [low - span / 2, low + 1.25 * span] : [0, Math.max(figure.most, high)];
      const across = Math.max(1, values.length - 1);
      const points = known.map(([i, value]) => `${fixed((100 * i) / across, 1)},${fixed(29 - (28 * (value - least)) / (most - least), 1)}`);
      cell.line.setAttribute("points", points.join(" "));
      text(cell.value, figure.words(last[1]));
      text(cell.range, low === high ? "" : `from ${figure.words(low)} to ${figure.words(high)}`);
    }
    show(this.#host, this.#cells.size > 0);
  }

  #cell(figure: Figure): { line: SVGPolylineElement; value: HTMLElement; range: HTMLElement } {
    const known = this.#cells.get(figure.name);
    if (known !== undefined) return known;
    const line = makeSvg("polyline", { points: "" });
    const value = make("span", { class: "value" });
    const range = make("span", { class: "range" });
    const name = make("span", { class: "name" }, figure.title);
    const drawing = makeSvg("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" }, line);
    this.#list.append(make("li", {}, name, value, drawing, range));
    const made = { line, value, range };
    this.#cells.set(figure.name, made);
    return made;
  }
}
