// The one who runs the service: looks after nodes, makes a join string, sets a quota, reads the audit log.

import { expect, heading, logIn, options, shot } from "./lib.mjs";

export async function operator(page, size) {
  await logIn(page, options.operator);
  await page.getByRole("link", { name: "Operator" }).click();
  await heading(page, "Operator");
  expect(await page.getByText("walk-node").first().isVisible(), "the node is there");
  await page.getByLabel("How many nodes may join by it").fill("2");
  await page.getByRole("button", { name: "Make the join string" }).click();
  await heading(page, "A join string");
  expect((await page.locator("#secret").innerText()).startsWith("hpl-join"), "the join string is shown");
  await shot(page, size, "operator-join");
  await page.goto("/operator");
  await page.getByRole("button", { name: /^Revoke join string/ }).first().click();
  await page.getByText("The join string is revoked.").waitFor();
  await page.getByRole("button", { name: "Drain walk-node" }).click();
  await page.getByText("The node gets no new jobs.").waitFor();
  await page.getByRole("button", { name: "Give jobs again to walk-node" }).click();
  await page.getByText("The node gets jobs again.").waitFor();
  await page.getByLabel("Name", { exact: true }).fill(options.operator);
  await page.getByLabel("Runs at the same time").fill("2");
  await page.getByRole("button", { name: "Set the quota" }).click();
  await page.getByText("The quota is changed.").waitFor();
  await page.getByRole("link", { name: "Audit" }).click();
  expect(await page.getByRole("link", { name: "quota.set" }).first().isVisible(), "the audit log has the quota");
  return ["/operator", "/operator/users", "/operator/audit"];
}
