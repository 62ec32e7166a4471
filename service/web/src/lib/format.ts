// Numbers, times and sizes in words, in the same form as the service's own: hpl_spec's `figure` and
// src/http/pages/words.rs. test/words.json holds examples that both sides are tested with.

/** At most six significant digits; very large and very small ones with an exponent. */
export function figure(value: number): string {
  if (Number.isNaN(value)) return "nan";
  const size = Math.abs(value);
  if (size === Infinity) return value > 0 ? "inf" : "-inf";
  if (size !== 0 && !(size >= 1e-3 && size < 1e9)) return scientific(value);
  const before = size < 1 ? 1 : Math.trunc(Math.log10(size)) + 1;
  const words = fixed(value, Math.max(0, 6 - before));
  return words.includes(".") ? words.replace(/\.?0+$/, "") : words;
}

/** `decimals` digits after the point; what lies exactly between two goes to the even one, as Rust has it. */
export function fixed(value: number, decimals: number): string {
  const near = value.toFixed(decimals);
  // From 1e21 on toFixed gives an exponent. Below, a double that lies exactly between two ends within 60 decimals.
  return Math.abs(value) < 1e21 ? even(near, value.toFixed(Math.min(100, decimals + 60)), decimals) : near;
}

function scientific(value: number, decimals = 4): string {
  const [near = "", exponent = "+0"] = value.toExponential(decimals).split("e");
  const digits = even(near, value.toExponential(64).replace(/e.*/, ""), decimals);
  return `${digits}e${exponent.charAt(0)}${exponent.slice(1).padStart(2, "0")}`;
}

/** `near` was rounded up where it was half way; here it is the even neighbour then. `exact` has all the digits. */
function even(near: string, exact: string, decimals: number): string {
  const end = exact.indexOf(".") + 1 + decimals;
  if (!/^50*$/.test(exact.slice(end))) return near;
  const down = exact.slice(0, end).replace(/\.$/, "");
  return Number(down.at(-1)) % 2 === 0 ? down : near;
}

/** A span of time, two units at most: `1.23 s`, `1 h 30 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "unknown";
  if (seconds < 10) return `${figure(Math.round(seconds * 100) / 100)} s`;
  const whole = Math.round(seconds);
  const part = (unit: number): number => Math.floor(whole / unit);
  const two = (a: number, unit: string, b: number, small: string): string =>
    b === 0 ? `${a} ${unit}` : `${a} ${unit} ${b} ${small}`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(part(60), "min", whole % 60, "s");
  if (whole < 86_400) return two(part(3600), "h", part(60) % 60, "min");
  return two(part(86_400), "d", part(3600) % 24, "h");
}

/** A size of memory or of a file: `1.5 KiB`. */
export function bytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let [size, unit] = [bytes, 0];
  while (size >= 1024 && unit + 1 < units.length) {
    size /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${bytes} bytes` : `${fixed(size, 1)} ${units[unit] ?? ""}`;
}

/** A score with its unit, which the page knows from the service: `41.25 Gflop/s`. */
export function score(value: number, unit = "Gflop/s"): string {
  return `${rate(value)} ${unit}`;
}

/** A score or a peak without its unit: four significant digits, zeros too, thousands apart. */
export function rate(value: number): string {
  if (!Number.isFinite(value)) return figure(value);
  const [digits = "", exponent = ""] = scientific(value, 3).split("e");
  const [rounded, power] = [Number(`${digits}e${exponent}`), Number(exponent)];
  if (rounded === 0 || power < -9 || power >= 9) return figure(rounded);
  return apart(fixed(rounded, Math.max(0, 3 - power)).replace("-", "−"));
}

/** A number at an axis: four significant digits at most, thousands apart. */
export function tick(value: number): string {
  return apart(figure(Number(value.toPrecision(4))));
}

function apart(words: string): string {
  return /^\D?\d+$/.test(words) ? words.replace(/\B(?=(\d{3})+$)/g, ",") : words;
}

/** A part of a hundred: `82.1 %`; null is `not known`. */
export function percent(percent: number | null): string {
  return percent === null ? "not known" : `${fixed(percent, 1)} %`;
}

/** `1 job`, `2 jobs`. */
export function count(number: number, one: string, many: string): string {
  return number === 1 ? `1 ${one}` : `${number} ${many}`;
}

/** How long ago `at` was, or how soon it will be, both in milliseconds since the epoch. */
export function ago(at: number, now: number): string {
  if (now - at <= -1000) return `in ${duration(Math.floor((at - now) / 1000))}`;
  if (now - at < 5000) return "just now";
  return `${duration(Math.floor((now - at) / 1000))} ago`;
}
