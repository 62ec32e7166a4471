// Fewer points for the same line: what lies within one pixel is told by its least and its greatest value.

/** A row of numbers; NaN where there is none. */
export type Numbers = readonly number[] | Float64Array | Float32Array;

/** A row as uPlot draws it; null is a gap. */
export type Drawn = (number | null)[];

/** What is drawn. */
export interface Picture {
  readonly x: number[];
  readonly ys: Drawn[];
}

/**
 * At most about two points a pixel of lines over a common `x`, which must not decrease. Peaks and dips stay; the last
 * point stays as it is. Rows that are few enough are only copied.
 */
export function decimate(x: Numbers, ys: readonly Numbers[], pixels: number): Picture {
  const n = x.length;
  const picture: Picture = { x: [], ys: ys.map(() => []) };
  if (n <= 2 * pixels || pixels < 1) {
    for (let i = 0; i < n; i += 1) one(picture, x, ys, i);
    return picture;
  }
  const [first, last] = [x[0] ?? 0, x[n - 1] ?? 0];
  const width = (last - first) / pixels || 1;
  let from = 0;
  while (from < n - 1) {
    // Counted anew from each point: a span without points costs nothing, and rounding cannot stop the loop.
    const edge = first + (Math.floor(((x[from] ?? 0) - first) / width) + 1) * width;
    let to = from + 1;
    while (to < n - 1 && (x[to] ?? 0) < edge) to += 1;
    if (to - from === 1) one(picture, x, ys, from);
    else two(picture, x, ys, from, to);
    from = to;
  }
  one(picture, x, ys, n - 1);
  return picture;
}

function one(picture: Picture, x: Numbers, ys: readonly Numbers[], i: number): void {
  picture.x.push(x[i] ?? 0);
  ys.forEach((y, s) => picture.ys[s]?.push(orGap(y[i])));
}

function two(picture: Picture, x: Numbers, ys: readonly Numbers[], from: number, to: number): void {
  picture.x.push(x[from] ?? 0, x[to - 1] ?? 0);
  ys.forEach((y, s) => {
    let [low, high] = [-1, -1];
    for (let i = from; i < to; i += 1) {
      const value = y[i] ?? NaN;
      if (Number.isNaN(value)) continue;
      if (low < 0 || value < (y[low] ?? NaN)) low = i;
      if (high < 0 || value > (y[high] ?? NaN)) high = i;
    }
    picture.ys[s]?.push(orGap(y[Math.min(low, high)]), orGap(y[Math.max(low, high)]));
  });
}

function orGap(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}
