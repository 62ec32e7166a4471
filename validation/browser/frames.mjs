// How smooth the page of a running job is: a job with 10^4 stored progress points is opened in headless Chromium, then
// more points and log lines are streamed to it while requestAnimationFrame counts frames and an observer long tasks.
//
//   cargo build -p service && node validation/browser/frames.mjs [--points 10000] [--rate 200] [--seconds 10]
//
// It prints frames a second while the stored points come, while more are streamed, and while the log is scrolled.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { node, person, progress, start } from "./player.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    service: { type: "string", default: process.env.HPLAAS_SERVICE ?? join(here, "../../target/debug/hpl-service") },
    browser: { type: "string", default: process.env.HPL_BROWSER ?? "/usr/bin/chromium" },
    points: { type: "string", default: "10000" },
    lines: { type: "string", default: "100000" },
    rate: { type: "string", default: "200" },
    seconds: { type: "string", default: "10" },
    shots: { type: "string" },
  },
});
const [points, lines, rate, seconds] = ["points", "lines", "rate", "seconds"].map((name) => Number(options[name]));

// Counts in the page, from its first script on.
const COUNT = () => {
  const seen = { frames: [], long: [] };
  window.seen = seen;
  const frame = (at) => {
    seen.frames.push(at);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.long.push([entry.startTime, entry.duration]);
  }).observe({ type: "longtask", buffered: true });
};

/** Frames between two moments of the page's clock, in words. */
async function told(page, what, from, to) {
  const { frames, long } = await page.evaluate(() => window.seen);
  const within = frames.filter((at) => at >= from && at <= to);
  const gaps = within.slice(1).map((at, i) => at - within[i]).sort((a, b) => a - b);
  const tasks = long.filter(([at]) => at >= from && at <= to).map(([, ms]) => ms);
  const fps = (1000 * (within.length - 1)) / (within.at(-1) - within[0]);
  const at = (part) => gaps[Math.min(gaps.length - 1, Math.floor(part * gaps.length))]?.toFixed(1);
  console.log(
    `${what}: ${fps.toFixed(1)} frames/s over ${((to - from) / 1000).toFixed(1)} s; between two frames ` +
      `median ${at(0.5)} ms, 99th ${at(0.99)} ms, longest ${at(1)} ms; ` +
      `${tasks.length} long tasks${tasks.length > 0 ? `, longest ${Math.max(...tasks).toFixed(0)} ms` : ""}`,
  );
  return fps;
}

const service = await start(options.service);
let browser;
try {
  const ada = await person(service, "ada");
  const computer = await node(service, "node-one");
  const job = await ada.submit({
    benchmark: "hpl",
    parameters: { n: 30000, nb: 128, p: 2, q: 2 },
    title: "ten thousand panels",
    walltime_s: 1800,
  });
  const run = await computer.claim();
  const steps = points + Math.ceil(rate * (2 * seconds + 60));
  await run.tell([{ kind: "preparing" }, { kind: "started" }]);
  await run.tell(Array.from({ length: points }, (_, i) => progress(i + 1, steps)));
  const line = (n) => `Panel ${n} of ${steps}: ${(90 - n / 1000).toFixed(2)} Gflop/s, update ${(n % 97) / 10} ms\n`;
  await run.log(Array.from({ length: lines }, (_, i) => line(i)).join(""));
  const sample = (n) => ({
    at_ms: 5000 * n,
    values: {
      cpu_busy_ratio: 0.97 + 0.02 * Math.sin(n), clock_mean_hz: 3.1e9 - 2e6 * n, temperature_max_celsius: 60 + n / 4,
      power_w: 95 + 3 * Math.sin(n / 3), memory_used_bytes: 7.3e9 + 1e6 * n, network_received_bytes_per_s: 2e5 + 1e4 * n,
    },
  });
  await run.beat({ samples: Array.from({ length: 60 }, (_, i) => sample(i)) });

  browser = await chromium.launch({ executablePath: options.browser, args: ["--no-sandbox", "--disable-gpu"] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.addCookies(ada.cookie());
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.addInitScript(COUNT);
  const now = () => page.evaluate(() => performance.now());
  const nodes = () => page.evaluate(() => document.getElementsByTagName("*").length);

  await page.goto(`${service.url}/jobs/${job}`);
  await page.waitForSelector("#curve-live canvas");
  await page.waitForTimeout(3000);
  await told(page, `opening it with ${points} points and ${lines} lines`, 0, await now());
  const before = await nodes();

  let n = points;
  const stream = async (until) => {
    for (const began = performance.now(); performance.now() - began < until * 1000; ) {
      const due = points + Math.floor(((performance.now() - began) / 1000) * rate);
      const more = Array.from({ length: Math.max(1, due - n) }, (_, i) => n + i + 1);
      await run.tell(more.map((step) => progress(step, steps)));
      await run.log(more.map(line).join(""));
      n += more.length;
      await new Promise((later) => setTimeout(later, 50));
    }
  };
  const from = await now();
  await stream(seconds);
  const streamed = await told(page, `streaming ${((n - points) / seconds).toFixed(0)} points and lines a second`, from, await now());
  const grown = (await nodes()) - before;
  console.log(`the page has ${grown} elements more than before ${n - points} points (${await nodes()} in all)`);

  const scrolled = await now();
  await page.locator(".logview").scrollIntoViewIfNeeded();
  await page.evaluate(
    (ms) =>
      new Promise((done) => {
        const view = document.querySelector(".logview");
        const [began, end] = [performance.now(), view.scrollHeight];
        const step = (at) => {
          view.scrollTop = ((at - began) / ms) * end;
          if (at - began < ms) requestAnimationFrame(step);
          else done();
        };
        requestAnimationFrame(step);
      }),
    4000,
  );
  await told(page, "scrolling through the log", scrolled, await now());
  if (options.shots) await page.screenshot({ path: join(options.shots, "frames.png"), fullPage: true });
  for (const words of wrong) console.log(`console: ${words}`);
  process.exitCode = wrong.length > 0 || !(streamed > 0) ? 1 : 0;
} finally {
  await browser?.close();
  service.stop();
}
