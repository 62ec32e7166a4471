// Somebody with scripts: sees the estimate as they type, watches a run live, shares its result, takes the table home,
// sweeps, cancels, compares with somebody else, and stands on the leaderboard beside them.

import { readFileSync } from "node:fs";
import { expect, heading, options, shot, signUp } from "./lib.mjs";

const PATIENCE = 120_000;

/** The estimate renews itself, its errors stand at their field, and an HPL.dat is seen. */
async function estimates(page, size) {
  await page.goto("/submit");
  const n = page.getByLabel("N", { exact: true });
  await n.fill("1000000");
  await page.locator("#f-n[aria-invalid=true]").waitFor();
  expect(/GiB of memory/.test(await page.locator("#wrong-n").innerText()), "N says at its field that it is too large");
  await shot(page, size, "live-submit-wrong");
  await n.fill("6000");
  await page.locator("#dat", { hasText: "6000" }).waitFor();
  expect((await page.locator("[aria-invalid=true]").count()) === 0, "the errors go when the number is right");
  expect(await n.evaluate((field) => field === document.activeElement), "the estimate does not take the focus");
  await shot(page, size, "live-submit");
}

/** A run that takes some seconds, from the form to its result. */
async function run(page, size, name) {
  await page.goto("/submit?n=9000&nb=192&p=1&q=1");
  await page.getByLabel("Title", { exact: true }).first().fill(`Watched by ${name}`);
  await page.getByRole("button", { name: "Submit", exact: true }).click();
  await heading(page, `Watched by ${name}`);
  const address = new URL(page.url()).pathname;
  // The curve comes by itself, on this very page.
  const canvas = page.locator("#curve-live canvas");
  await canvas.first().waitFor({ timeout: PATIENCE });
  await page.waitForFunction(() => !/^0 %/.test(document.querySelector("#pace-percent")?.textContent ?? "0 %"), null, {
    timeout: PATIENCE,
  });
  // What the program prints is there while it runs.
  await page.getByText("The log is followed as it grows.").waitFor({ timeout: PATIENCE });
  expect((await printed(page).innerText()).includes("9000"), "the parameters of the run are in its log");
  expect(await page.getByRole("link", { name: "See the whole result" }).isHidden(), "the log is followed while the program runs");
  await shot(page, size, "live-job-running");
  await page.getByRole("link", { name: "See the whole result" }).waitFor({ timeout: PATIENCE });
  expect(new URL(page.url()).pathname === address, "the page of the job has not been left");
  await shot(page, size, "live-job-done");
  await log(page, size);
  await page.getByRole("link", { name: "See the whole result" }).click();
  await page.waitForURL("**/results/*");
  return { job: address, result: new URL(page.url()).pathname };
}

/** The log of the run. */
const printed = (page) => page.getByRole("region", { name: "What the program printed" });

/** The report of the program is there once, and can be searched. */
async function log(page, size) {
  await page.getByText("This is all of it.").waitFor();
  expect((await page.getByRole("region", { name: "HPL.out" }).count()) === 0, "the report is not shown twice");
  const search = page.getByRole("searchbox", { name: "Search in the log" });
  await search.fill("T/V");
  await printed(page).getByText("T/V").first().waitFor();
  await search.fill("a word that no program prints");
  await page.getByText("not found").waitFor();
  await search.fill("");
  await shot(page, size, "live-job-log");
}

/** The result: the figure, the picture that others see, the badge, the certificate. */
async function share(page, size) {
  expect(await page.getByText(/Gflop\/s is .* % of the/).first().isVisible(), "per cent of peak is spelled out");
  expect(await page.getByRole("heading", { name: "Where your peak went" }).isVisible(), "the waterfall is there");
  const image = await page.locator('meta[property="og:image"]').getAttribute("content");
  const preview = await page.request.get(image);
  const png = await preview.body();
  expect(preview.status() === 200 && png.subarray(1, 4).toString() === "PNG", `the preview ${image} is a picture`);
  expect(png.readUInt32BE(16) === 1200 && png.readUInt32BE(20) === 630, "the preview has the size that previews have");
  for (const picture of ["img.badge", "img.preview"]) {
    await page.locator(picture).scrollIntoViewIfNeeded();
    const loaded = await page.locator(picture).evaluate((image) => image.decode().then(() => image.naturalWidth > 0));
    expect(loaded, `${picture} is shown`);
  }
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(options.url).origin });
  await page.getByRole("button", { name: "Copy HPL.dat" }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied.split("\n").length >= 31 && copied.includes("Ns"), "the HPL.dat is copied as it is");
  await shot(page, size, "live-result");
  await page.getByRole("link", { name: "See the evidence and what to try next" }).or(page.getByRole("link", { name: /what the rules say|what was looked at/ })).first().click();
  await heading(page, "Why was it not faster?");
  const next = page.getByRole("link", { name: /^Try this/ }).first();
  if (await next.isVisible()) {
    await next.click();
    await heading(page, "Submit a run");
    expect((await page.getByLabel("N", { exact: true }).inputValue()) !== "", "what to try next is filled in");
    await page.goBack();
  }
}

/** The list of results as a file. */
async function takesHome(page, name) {
  await page.goto(`/results?user=${name}`);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
  const csv = readFileSync(await download.path(), "utf8");
  expect(csv.split("\n").length >= 2 && csv.includes(name), "the CSV has the own result");
}

/** A sweep with its cost before the click, to its picture. */
async function sweeps(page, size) {
  await page.goto("/sweeps/new");
  await page.getByLabel("N", { exact: true }).fill("1000 1500");
  await page.getByLabel("NB", { exact: true }).fill("64 128");
  await page.locator("#all-points table").waitFor();
  expect((await page.locator("#all-points tbody tr").count()) === 4, "the four points are listed before the click");
  await shot(page, size, "live-sweep-new");
  await page.getByRole("button", { name: "Save the sweep" }).click();
  await page.getByRole("button", { name: /^Start these/ }).click();
  await page.waitForURL("**/sweeps/*");
  const address = new URL(page.url()).pathname;
  await page.getByRole("heading", { name: /^Best/ }).waitFor({ timeout: PATIENCE });
  await page.waitForFunction(
    () => {
      const bar = document.querySelector("#live progress");
      return bar && bar.value === bar.max;
    },
    null,
    { timeout: PATIENCE },
  );
  expect(await page.locator("#live figure svg").first().isVisible(), "the sweep has a picture");
  await shot(page, size, "live-sweep");
  return address;
}

/** A long run is cancelled while it runs. */
async function cancels(page, size) {
  await page.goto("/submit?n=16000&nb=192&p=1&q=1");
  await page.getByLabel("Title", { exact: true }).first().fill("To be cancelled");
  await page.getByRole("button", { name: "Submit", exact: true }).click();
  await page.getByText("Running", { exact: true }).first().waitFor({ timeout: PATIENCE });
  await page.getByText("Cancel it…").click();
  await page.getByRole("button", { name: "Cancel it", exact: true }).click();
  await page.getByText("Cancelled", { exact: true }).first().waitFor({ timeout: PATIENCE });
  await shot(page, size, "live-cancelled");
}

/** Two results side by side: no winner from one run each. */
async function compares(page, size, results) {
  const ids = results.map((address) => address.split("/").pop());
  await page.goto(`/explore`);
  await shot(page, size, "live-explore");
  await page.goto(`/compare?results=${ids.join(",")}`);
  const words = await page.locator("main").innerText();
  expect(/one run|too few|n=1|1 run/i.test(words), "no winner is named from one run each");
  await shot(page, size, "live-compare");
}

/** Walks; the addresses of what came of it. */
export async function living(context, size, name, other, made) {
  const page = await context.newPage();
  await signUp(page, name);
  await estimates(page, size);
  const { job, result } = await run(page, size, name);
  await share(page, size);
  await takesHome(page, name);
  const sweep = await sweeps(page, size);
  await cancels(page, size);
  await compares(page, size, [result, made.result]);
  await page.goto("/leaderboard/hpl");
  const board = await page.locator("table").first().innerText();
  expect(board.includes(name) && board.includes(other), "both users are on the leaderboard");
  return { job, result, sweep };
}
