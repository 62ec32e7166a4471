// The page's colours for what is drawn on a canvas, which knows no custom properties.

/** The colours of a chart, as they are now. */
export interface Theme {
  readonly text: string;
  readonly quiet: string;
  readonly line: string;
  readonly raised: string;
  /** `--series-1` to `--series-6`. */
  readonly series: readonly string[];
  readonly font: string;
}

/** Where the stylesheet has none: each has a contrast of 4.5 to 1 or more with the ground. */
const LIGHT = ["#0b5394", "#a34f00", "#00694f", "#8a2a7c", "#6a5a00", "#50565e"];
const DARK = ["#8fc1f2", "#f0a445", "#7fd6b2", "#e5a3de", "#ddd06a", "#b9c0c8"];

const dark = (): MediaQueryList => matchMedia("(prefers-color-scheme: dark)");

/** The colours that hold at `element`. */
export function themeAt(element: Element): Theme {
  const style = getComputedStyle(element);
  const usual = dark().matches ? DARK : LIGHT;
  const colour = (name: string, otherwise: string): string => style.getPropertyValue(name).trim() || otherwise;
  return {
    text: colour("--text", style.color),
    quiet: colour("--quiet", style.color),
    line: colour("--line", "#8888"),
    raised: colour("--raised", "Canvas"),
    series: usual.map((otherwise, i) => colour(`--series-${i + 1}`, otherwise)),
    font: `12px ${style.fontFamily}`,
  };
}

/** Tells when the reader goes from light to dark or back; the answer ends it. */
export function onTheme(changed: () => void): () => void {
  const query = dark();
  query.addEventListener("change", changed);
  return () => query.removeEventListener("change", changed);
}

/** Whether the reader asked for little motion. */
export function calm(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
