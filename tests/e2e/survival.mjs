// Whatever was shown as acknowledged survives: tabs and browsers are killed at random moments under
// load, and every acknowledged put must be there at the next visit.

import { Dice, Profile, Visitor, bystander, check, inDatabase, moment, until } from "./harness.mjs";

/** Opens the page, puts without pause, and notes each put once the page said that it was done. */
async function putUnderLoad(context, address, life, acknowledged) {
  const page = await context.newPage();
  await page.exposeFunction("acknowledged", (key, value) => acknowledged.set(key, value));
  await page.goto(address);
  await page.waitForFunction(() => window.quorarium);
  const visitor = new Visitor();
  visitor.page = page;
  visitor.noise = [];
  await visitor.hurry();
  if (life === 0) await visitor.output("load put key=load/{0..49} value=128B rate=50/s");
  page
    .evaluate(async (life) => {
      for (let number = 0; ; number += 1) {
        const [key, value] = [`key/${life}/${number}`, `value-${life}-${number}`];
        const { ok } = await window.quorarium.run(`put ${key} ${value}`);
        if (ok) await window.acknowledged(key, value);
      }
    }, life)
    .catch(() => {});
  return page;
}

/** All pairs of the cluster. */
async function pairs(visitor) {
  await visitor.hurry();
  const output = await visitor.output("get key/ --prefix");
  const lines = output.split("\n");
  const found = new Map();
  for (let line = 0; line + 1 < lines.length; line += 2) found.set(lines[line], lines[line + 1]);
  return found;
}

async function allThere(context, address, acknowledged) {
  const visitor = await Visitor.arrive(context, address);
  const found = await pairs(visitor);
  const lost = [...acknowledged].filter(([key, value]) => found.get(key) !== value);
  check(lost.length === 0, `${lost.length} of ${acknowledged.size} acknowledged puts are lost: ${lost.slice(0, 5)}`);
  const state = await visitor.state();
  check(state.nodes.every((node) => node.up), `all servers booted: ${JSON.stringify(state, words)}`);
  await visitor.page.close();
}

const words = (_, value) => (typeof value === "bigint" ? Number(value) : value);

/** Plays `lives` lives, each ended by `end`, and looks after each. */
async function survive({ address, seed }, lives, end, before = async () => {}) {
  const dice = new Dice(seed);
  const profile = await Profile.create();
  const acknowledged = new Map();
  try {
    let context = await profile.open();
    for (let life = 0; life < lives; life += 1) {
      const page = await putUnderLoad(context, address, life, acknowledged);
      const wanted = acknowledged.size + 1 + dice.roll(20);
      await until("acknowledged puts", async () => acknowledged.size >= wanted);
      await moment(dice.roll(400));
      context = await end(profile, page, context);
      await before(context);
      await allThere(context, address, acknowledged);
    }
    check(acknowledged.size > lives, "puts were acknowledged in every life");
  } finally {
    await profile.close();
  }
}

async function killRenderer(profile, page, context) {
  await profile.killRenderer(page);
  return context;
}

async function killBrowser(profile) {
  await profile.killBrowser();
  return profile.open();
}

export const survival = [
  {
    claim: "every acknowledged put survives five killed renderers",
    test: (place) => survive(place, 5, killRenderer),
  },
  {
    claim: "every acknowledged put survives five killed browsers",
    test: (place) => survive(place, 5, killBrowser),
  },
  {
    claim: "every acknowledged put survives when the stored actions are deleted before the reload",
    test: (place) =>
      survive(place, 2, killBrowser, async (context) => {
        const page = await bystander(context, place.address);
        await inDatabase(page, async (database, ask) => {
          await ask(database.transaction("actions", "readwrite").objectStore("actions").clear());
        });
        await page.close();
      }),
  },
];
