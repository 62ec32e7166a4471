// How soon a browser shows something of each page, and how heavy the page is: in a tab that shows another page of the
// same site already, as one who follows links sees it, and in a new tab, for which the browser starts a process first.
//
//   node validation/browser/paint.mjs --url https://127.0.0.1:PORT [--wanted MS] [--times N] [--only /explore,/submit]

import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    browser: { type: "string", default: process.env.HPL_BROWSER ?? "/usr/bin/chromium" },
    wanted: { type: "string", default: "100" },
    times: { type: "string", default: "7" },
    only: { type: "string" },
  },
});
if (!options.url) {
  console.error("usage: node validation/browser/paint.mjs --url https://127.0.0.1:PORT [--wanted MS] [--times N] [--only PAGE,…]");
  process.exit(2);
}
/** The page from which the others are come to. */
const FROM = "/limits";
const PASSWORD = "seven purple kettles";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--ignore-certificate-errors"];

const browser = await chromium.launch({ executablePath: options.browser, headless: true, args: FLAGS });
const context = await browser.newContext({
  baseURL: options.url,
  ignoreHTTPSErrors: true,
  viewport: { width: 1280, height: 900 },
});

async function json(page, address) {
  const answer = await page.request.get(address);
  return answer.json();
}

/** The pages, those of a job and of results with ids that are there. */
async function addresses(page) {
  const name = `painter-${Date.now().toString(36)}`;
  await page.goto("/signup");
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  const { jobs } = await json(page, "/api/v1/jobs?state=done&limit=1");
  const { results } = await json(page, "/api/v1/results?limit=3");
  const running = (await json(page, "/api/v1/jobs?state=running&limit=1")).jobs;
  const ids = results.map((result) => result.id);
  return [
    "/", "/learn", "/learn/first-linpack", "/learn/nb", "/learn/panel", "/submit", "/sweeps/new", "/queue", "/jobs",
    "/jobs?owner=me", `/jobs/${jobs[0].id}`, `/jobs/${running[0].id}`, "/results", `/results/${ids[0]}`,
    `/results/${ids[0]}/why`, `/results/${ids[0]}/certificate`, "/explore", "/explore?x=nb", `/compare?results=${ids.join(",")}`,
    "/leaderboard", "/leaderboard/hpl", "/leaderboard/hpl?on=2026-11-20", "/nodes", "/account", "/about-score", "/limits",
  ];
}

/** One look in this tab: milliseconds until the first byte and the first paint. */
async function look(tab, address) {
  const answer = await tab.goto(address, { waitUntil: "load" });
  const times = await tab.evaluate(
    () =>
      new Promise((tell) => {
        const found = () => {
          const paint = performance.getEntriesByName("first-contentful-paint")[0];
          const byte = performance.getEntriesByType("navigation")[0].responseStart;
          if (paint) tell({ byte, paint: paint.startTime });
          else setTimeout(found, 10);
        };
        found();
      }),
  );
  return { ...times, status: answer.status() };
}

/** The same from a light page of the site, and in a new tab. */
async function looks(address) {
  const tab = await context.newPage();
  const fresh = await look(tab, address);
  await tab.goto(FROM, { waitUntil: "load" });
  await tab.waitForTimeout(50);
  const followed = await look(tab, address);
  await tab.close();
  return { ...followed, fresh: fresh.paint };
}

/** Bytes of an answer as it was sent. */
async function onTheWire(response) {
  const body = await response.body();
  return (await response.headerValue("content-encoding")) === "gzip" ? gzipSync(body).length : body.length;
}

async function weight(address) {
  const page = await context.newPage();
  const loaded = [];
  page.on("response", (response) => {
    if (["document", "stylesheet", "script"].includes(response.request().resourceType())) loaded.push(response);
  });
  await page.goto(address, { waitUntil: "load" });
  const sizes = await Promise.all(loaded.map(onTheWire));
  await page.close();
  return sizes.reduce((sum, size) => sum + size, 0);
}

const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const page = await context.newPage();
const only = options.only?.split(",");
// The first says what the browser takes for itself: a line of text, nothing drawn.
const all = ["/healthz", ...(await addresses(page)).filter((address) => !only || only.includes(address))];
await page.close();
await looks("/");
console.log(`\n${"page".padEnd(44)} first byte  first paint  slowest paint  in a new tab    on the wire`);
// In rounds over all pages: a minute in which the machine is busy with something else is no page's own.
const looked = new Map(all.map((address) => [address, []]));
for (let n = 0; n < Number(options.times); n += 1) {
  for (const address of all) looked.get(address).push(await looks(address));
}
for (const [address, seen] of looked) {
  const byte = middle(seen.map((one) => one.byte));
  const paint = middle(seen.map((one) => one.paint));
  const slowest = Math.max(...seen.map((one) => one.paint));
  const fresh = middle(seen.map((one) => one.fresh));
  const size = await weight(address);
  const short = address.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "…");
  const marks = [paint > Number(options.wanted) && "slow", seen.some((one) => one.status !== 200) && `status ${seen[0].status}`];
  const ms = (value) => `${value.toFixed(0)} ms`;
  console.log(
    `${short.padEnd(44)} ${ms(byte).padStart(10)} ${ms(paint).padStart(12)} ${ms(slowest).padStart(14)} ${ms(fresh).padStart(13)} ${`${(size / 1000).toFixed(1)} kB`.padStart(14)}  ${marks.filter(Boolean).join(", ")}`,
  );
}
await browser.close();
