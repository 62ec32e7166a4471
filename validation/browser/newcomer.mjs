// A newcomer without scripts: sign up, keep the recovery codes, fail to log in, take the lesson to its end, with a real
// run in the middle of it, and find the own entry on the leaderboard.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, heading, here, PASSWORD, shot, signUp } from "./lib.mjs";

/** Comes back to the page until it says so, as the page does by itself. */
export async function until(page, what, patience = 90_000) {
  const end = Date.now() + patience;
  while (Date.now() < end) {
    if (await what(page)) return true;
    await page.waitForTimeout(700);
    await page.reload();
  }
  return false;
}

async function comesIn(page, size, name) {
  await page.goto("/");
  await shot(page, size, "plain-home");
  await page.getByRole("link", { name: "Sign up" }).first().click();
  await heading(page, "Sign up");
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill("short");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("alert").waitFor();
  expect((await page.getByLabel("Username").inputValue()) === name, "the name is kept when the password was too short");
  await shot(page, size, "plain-signup-wrong");
  await signUp(page, name);
  expect((await page.locator(".codes code").count()) >= 5, "there are recovery codes to write down");
  await shot(page, size, "plain-codes");

  await page.goto("/");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByText("You are logged out.").waitFor();
  await page.goto("/login");
  for (const [user, password] of [[name, "not this one"], ["nobody-of-that-name", PASSWORD]]) {
    await page.getByLabel("Username").fill(user);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").waitFor();
    expect((await page.getByLabel("Username").inputValue()) === user, "the name is kept when the log-in failed");
    expect((await page.getByLabel("Password").inputValue()) === "", "the password is not");
    await shot(page, size, "plain-login-wrong");
    // A second try must wait a second.
    await page.waitForTimeout(1500);
  }
  await page.getByLabel("Username").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("You are logged in.").waitFor();
}

/** Six steps, the run of the fourth a real one; the addresses of its job and of its result. */
async function lesson(page, size, name) {
  await page.goto("/learn/first-linpack");
  for (let step = 1; step <= 3; step += 1) {
    expect((await page.locator(".kicker").innerText()).includes(`step ${step} of 6`), `step ${step} of the lesson comes`);
    await shot(page, size, `plain-lesson-${step}`);
    if (step === 2) {
      await page.getByLabel("N", { exact: true }).fill("1500");
      await page.getByLabel("N", { exact: true }).press("Enter");
    }
    await page.locator("a[rel=next]").click();
  }
  await shot(page, size, "plain-lesson-4");
  await page.getByRole("button", { name: "Start this run" }).click();
  await heading(page, "My first LINPACK");
  const job = new URL(page.url()).pathname;
  await shot(page, size, "plain-job");
  await page.goto("/learn/first-linpack?step=5");
  await shot(page, size, "plain-lesson-5");
  const over = await until(page, () => page.getByText("Done", { exact: true }).first().isVisible());
  expect(over, `the run of the lesson did not end: ${job}`);
  await page.goto("/learn/first-linpack?step=6");
  expect(await page.getByText("You have solved").isVisible(), "step 6 shows the own result");
  expect((await page.locator("table").innerText()).includes(name), "step 6 shows the own entry on the leaderboard");
  await shot(page, size, "plain-lesson-6");
  await page.getByRole("link", { name: "All about it" }).click();
  await page.waitForURL("**/results/*");
  expect(await page.getByRole("heading", { name: "Where your peak went" }).isVisible(), "the result says where the peak went");
  const result = new URL(page.url()).pathname;
  await shot(page, size, "plain-result");
  await page.goto(`${result}/why`);
  await shot(page, size, "plain-why");
  return { job, result };
}

/** Nothing typed is lost, and what is wrong is said at its field. */
async function form(page, size) {
  await page.goto("/submit");
  await page.getByLabel("N", { exact: true }).fill("lots");
  await page.getByLabel("Title", { exact: true }).first().fill("A form with a mistake");
  await page.getByRole("button", { name: "Check" }).first().click();
  await page.getByRole("alert").waitFor();
  await shot(page, size, "plain-submit-wrong");
  expect((await page.getByLabel("N", { exact: true }).inputValue()) === "lots", "what was typed for N is kept");
  await page.getByLabel("N", { exact: true }).fill("2000");
  await page.getByRole("button", { name: "Check" }).first().click();
  await page.getByText("HPL.dat").first().waitFor();
  await shot(page, size, "plain-submit-checked");
  await page.goto("/submit?preset=first");
  const n = Number(await page.getByLabel("N", { exact: true }).inputValue());
  expect(n >= 1000, `the first preset fills in an N, not ${n}`);
  await shot(page, size, "plain-submit-preset");
}

/** A pasted HPL.dat is a sweep that costs nothing until it is started. */
async function pasted(page, size) {
  await page.goto("/submit");
  await page.getByLabel("Your HPL.dat").fill(readFileSync(join(here, "two-runs.dat"), "utf8"));
  await page.getByRole("button", { name: "Save the sweep" }).click();
  await heading(page, "Sweep");
  const sweep = new URL(page.url()).pathname;
  await shot(page, size, "plain-sweep");
  await page.getByRole("button", { name: "Start" }).first().click();
  await page.getByText("The sweep is started.").waitFor();
  return sweep;
}

/** Walks; the addresses of what came of it. */
export async function newcomer(page, size, name) {
  await comesIn(page, size, name);
  const { job, result } = await lesson(page, size, name);
  await form(page, size);
  const sweep = await pasted(page, size);
  await page.goto("/leaderboard/hpl");
  expect((await page.locator("table").first().innerText()).includes(name), `${name} is on the leaderboard`);
  return { job, result, sweep };
}
