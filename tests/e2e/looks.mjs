// What a person should look at: screenshots of the main states in screenshots/, and what a machine
// can say of them: no violation of accessibility rules, nothing wider than the screen.

import { mkdir } from "node:fs/promises";
import { AxeBuilder } from "@axe-core/playwright";
import { Visitor, check, moment, same } from "./harness.mjs";
import { visit } from "./session.mjs";

const DIRECTORY = "screenshots";

const SCREENS = [
  { name: "desktop-light", options: { viewport: { width: 1366, height: 860 }, colorScheme: "light" } },
  { name: "desktop-dark", options: { viewport: { width: 1366, height: 860 }, colorScheme: "dark" } },
  { name: "phone-light", options: { viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true } },
  { name: "phone-dark", options: { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true } },
];

async function accessible(page, state) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).slice(0, 3).join(", ")}`,
  );
  same(found, [], `accessibility rules broken (${state})`);
}

async function fits(page, state) {
  const { wanted, width } = await page.evaluate(() => ({
    wanted: document.documentElement.scrollWidth,
    width: document.documentElement.clientWidth,
  }));
  check(wanted <= width, `${state} is ${wanted} pixels wide on a screen of ${width}`);
}

async function picture(visitor, screen, state) {
  await visitor.page.screenshot({ path: `${DIRECTORY}/${screen}-${state}.png` });
  await fits(visitor.page, `${state} on ${screen}`);
}

/** Chooses a panel where the screen shows one at a time, or a tab inside the server. */
async function show(page, name) {
  const tab = page.getByRole("tab", { name, exact: true }).locator("visible=true").first();
  if (await tab.count()) await tab.click();
}

async function mainStates(visitor, screen, context, address) {
  const { page } = visitor;
  await picture(visitor, screen, "1-first");
  const leader = await visitor.leader();
  for (const line of ["put greeting hello", "put colour green", "put greeting again", "get greeting"]) {
    await visitor.type(line).catch(() => visitor.output(line));
  }
  await page.locator(`#server-${leader}`).click();
  await picture(visitor, screen, "2-written");
  await accessible(page, "written");
  for (const panel of ["WAL", "Keys", "Raft"]) {
    await show(page, panel);
    await moment(200);
    await picture(visitor, screen, `3-${panel.toLowerCase()}`);
    await accessible(page, panel);
  }
  await visitor.output("crash leader");
  await visitor.call("pause");
  await picture(visitor, screen, "4-crashed");
  await accessible(page, "crashed");
  await visitor.call("play", "1/10");
  const next = await visitor.leader();
  await visitor.output("restart all");
  await visitor.output(`isolate ${next}`);
  await picture(visitor, screen, "5-isolated");
  await page.getByRole("button", { name: "Share" }).click();
  await page.getByLabel("Link").waitFor();
  await picture(visitor, screen, "6-share");
  await accessible(page, "share");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Help and keys" }).click();
  await picture(visitor, screen, "7-help");
  await accessible(page, "help");
  await page.keyboard.press("Escape");
  await visitor.call("flushed");
  await page.reload();
  await page.waitForFunction(() => window.quorarium);
  await visitor.leader();
  await picture(visitor, screen, "8-recovered");
  await accessible(page, "recovered");
  const second = await Visitor.arrive(context, address);
  await second.page.locator(".notice").first().waitFor();
  await picture(second, screen, "9-other-tab");
  await accessible(second.page, "other tab");
  await second.page.close();
}

export const looks = SCREENS.map(({ name, options }) => ({
  claim: `the main states fit the screen and break no accessibility rule: ${name}`,
  test: async (place) => {
    await mkdir(DIRECTORY, { recursive: true });
    await visit(
      place,
      (visitor, context) => mainStates(visitor, name, context, place.address),
      options,
    );
  },
}));
