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

/** Looks at a state that keeps still: colours on their way between two states are no colours. */
async function accessible(visitor, state) {
  const { page } = visitor;
  const playing = await visitor.state().then(
    (state) => state.playing,
    () => false,
  );
  if (playing) {
    await visitor.call("pause");
    await page.getByRole("button", { name: "Play", exact: true }).waitFor({ state: "attached" });
  }
  await page.evaluate(() => {
    const ends = (animation) => animation.effect.getComputedTiming().iterations !== Infinity;
    const finite = document.getAnimations().filter(ends);
    return Promise.allSettled(finite.map((animation) => animation.finished));
  });
  const { violations } = await new AxeBuilder({ page }).analyze();
  if (playing) await visitor.call("play");
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

/** An election without the wait; then again at the speed at which people watch. */
async function settled(visitor) {
  await visitor.hurry();
  await visitor.call("play", "1/10");
  return visitor.leader();
}

async function mainStates(visitor, screen, context, address) {
  const { page } = visitor;
  await picture(visitor, screen, "1-first");
  const leader = await settled(visitor);
  for (const line of ["put greeting hello", "put colour green", "put greeting again", "get greeting"]) {
    await visitor.type(line).catch(() => visitor.output(line));
  }
  await page.locator(`#server-${leader}`).click();
  await picture(visitor, screen, "2-written");
  await accessible(visitor, "written");
  for (const panel of ["WAL", "Keys", "Raft"]) {
    await show(page, panel);
    await moment(200);
    await picture(visitor, screen, `3-${panel.toLowerCase()}`);
    await accessible(visitor, panel);
  }
  await visitor.output("crash leader");
  await visitor.call("pause");
  await picture(visitor, screen, "4-crashed");
  await accessible(visitor, "crashed");
  const next = await settled(visitor);
  await visitor.output("restart all");
  await visitor.output(`isolate ${next}`);
  await picture(visitor, screen, "5-isolated");
  await page.getByRole("button", { name: "Share" }).click();
  await page.getByLabel("Link").waitFor();
  await picture(visitor, screen, "6-share");
  await accessible(visitor, "share");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Help and keys" }).click();
  await picture(visitor, screen, "7-help");
  await accessible(visitor, "help");
  await page.keyboard.press("Escape");
  await visitor.call("flushed");
  await page.reload();
  await page.waitForFunction(() => window.quorarium);
  await settled(visitor);
  await picture(visitor, screen, "8-recovered");
  await accessible(visitor, "recovered");
  const second = await Visitor.arrive(context, address);
  await second.page.locator(".notice").first().waitFor();
  await picture(second, screen, "9-other-tab");
  await accessible(second, "other tab");
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
