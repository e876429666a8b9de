// A visitor's own session: elect, put, get, crash, recover; the page's API.

import { Profile, Visitor, check, same, until } from "./harness.mjs";

/** Runs a test with a fresh profile and one visitor. */
export async function visit({ address }, test, options) {
  const profile = await Profile.create();
  try {
    const context = await profile.open(options);
    const visitor = await Visitor.arrive(context, address);
    await test(visitor, context, profile);
    same(visitor.noise, [], "errors in the browser's console");
  } finally {
    await profile.close();
  }
}

export const session = [
  {
    claim: "three servers elect a leader, and the console puts and gets",
    test: (place) =>
      visit(place, async (visitor) => {
        await visitor.leader();
        same(await visitor.type("put greeting hello"), "OK", "a put typed into the console");
        same(await visitor.type("get greeting"), "greeting\nhello", "a get typed into the console");
        same(await visitor.output("get greeting"), "greeting\nhello", "a get by the API");
      }),
  },
  {
    claim: "pictures that come before the screen is drawn are not drawn one by one, and the newest is",
    test: (place) =>
      visit(place, async (visitor) => {
        const { page } = visitor;
        await visitor.leader();
        const { held, after } = await page.evaluate(async () => {
          const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
          const real = window.requestAnimationFrame.bind(window);
          const waiting = [];
          let drawn = 0;
          const clock = new MutationObserver(() => (drawn += 1));
          clock.observe(document.querySelector(".clock"), { subtree: true, childList: true, characterData: true });
          window.requestAnimationFrame = (callback) => waiting.push(callback);
          await wait(1000);
          const held = drawn;
          window.requestAnimationFrame = real;
          waiting.forEach((callback) => real(callback));
          await wait(500);
          clock.disconnect();
          return { held, after: drawn - held };
        });
        check(held <= 3, `${held} pictures were drawn while the screen was not`);
        check(after >= 1, "and afterwards none");
      }),
  },
  {
    claim: "a crashed leader is replaced, and comes back with what it knew",
    test: (place) =>
      visit(place, async (visitor) => {
        await visitor.hurry();
        const leader = await visitor.leader();
        await visitor.output("put before crash");
        await visitor.page.locator(`#server-${leader}`).click();
        await visitor.page.getByRole("button", { name: "Crash", exact: true }).click();
        await visitor.node(leader, "down", (node) => !node.up);
        const next = await visitor.leader();
        check(next !== leader, `${next} leads after ${leader} crashed`);
        await visitor.output("put during crash");
        await visitor.page.getByRole("button", { name: "Restart", exact: true }).click();
        await visitor.node(leader, "up", (node) => node.up);
        const after = await visitor.state();
        const commit = after.nodes.find((node) => node.name === next).commit;
        await visitor.node(leader, "caught up", (node) => node.applied >= commit);
        same(await visitor.output("get during"), "during\ncrash", "what was written meanwhile");
      }),
  },
  {
    claim: "a server that is cut off is let in again",
    test: (place) =>
      visit(place, async (visitor) => {
        await visitor.hurry();
        const leader = await visitor.leader();
        await visitor.page.locator(`#server-${leader}`).focus();
        await visitor.page.keyboard.press("p");
        const next = await until("another leader", async () => {
          const state = await visitor.state();
          return state.leader !== leader && state.leader;
        });
        same(await visitor.output(`on ${next} put cut off`), "OK", "the others go on");
        await visitor.page.keyboard.press("h");
        await visitor.node(leader, "a follower", (node) => node.role === "follower");
      }),
  },
  {
    claim: "time stands still, goes one event, goes to an event",
    test: (place) =>
      visit(place, async (visitor) => {
        await visitor.leader();
        await visitor.call("pause");
        const { event } = await visitor.state();
        await visitor.call("step", 7);
        same((await visitor.state()).event, event + 7n, "seven events further");
        await visitor.call("seek", Number(event) + 100);
        same((await visitor.state()).event, event + 100n, "at that event");
        const back = await visitor.call("seek", 1).then(() => "done", String);
        check(back.includes("not there yet"), `going back: ${back}`);
      }),
  },
  {
    claim: "the API has the shapes that others script against",
    test: (place) =>
      visit(place, async (visitor) => {
        const version = await visitor.page.evaluate(() => window.quorarium.version);
        check(/^\d+\.\d+\.\d+$/.test(version), `version ${version}`);
        await visitor.leader();
        const state = await visitor.state();
        same([typeof state.event, typeof state.virtual_ns], ["bigint", "bigint"], "64-bit integers");
        same(state.nodes.map((node) => node.name), ["n1", "n2", "n3"], "nodes");
        for (const node of state.nodes) {
          same(typeof node.commit, "bigint", "commit");
          same(node.up, true, "up");
        }
        check(/^[0-9a-f]{16}$/.test(await visitor.call("fingerprint")), "a fingerprint");
        check((await visitor.call("link")).startsWith("#s1="), "a link");
        await visitor.call("flushed");
        const wrong = await visitor.run("put");
        same([wrong.ok, wrong.error.includes("line 1, column")], [false, true], wrong.error);
        const missing = await visitor.call("importFile").then(() => "done", String);
        check(missing.includes("expected a File"), `importFile: ${missing}`);
      }),
  },
  {
    claim: "a loaded scenario plays in memory, and the stored session waits untouched",
    test: (place) =>
      visit(place, async (visitor) => {
        await visitor.hurry();
        await visitor.output("put mine kept");
        const refused = await visitor.call("load", "cluster etcd nodes=3\n1s crsh n1").then(() => "done", String);
        check(refused.includes("line 2, column"), `a broken scenario: ${refused}`);
        same(await visitor.output("get mine"), "mine\nkept", "a refused scenario changes nothing");
        await visitor.call("load", "cluster etcd nodes=5 seed=3 tick=20ms\n1s put theirs loaded\n");
        const state = await visitor.state();
        same([state.nodes.length, state.playing, state.event], [5, false, 0n], "paused at its start");
        await visitor.call("play", 10);
        await until("the scenario's put", async () => (await visitor.run("get theirs")).output === "theirs\nloaded");
        await visitor.page.getByRole("button", { name: "Back to my session" }).click();
        await until("three servers", async () => (await visitor.state()).nodes.length === 3);
        await visitor.hurry();
        same(await visitor.output("get mine"), "mine\nkept", "the stored session");
      }),
  },
  {
    claim: "a reset forgets everything",
    test: (place) =>
      visit(place, async (visitor) => {
        await visitor.hurry();
        await visitor.output("put greeting hello");
        await visitor.call("reset");
        await visitor.hurry();
        same(await visitor.output("get greeting"), "", "nothing is left");
        await visitor.reload();
        same(await visitor.output("get greeting"), "", "nor after a reload");
      }),
  },
  {
    claim: "a panic in the worker ends in a panel with the link that replays it",
    test: async ({ address }) => {
      const profile = await Profile.create();
      try {
        const context = await profile.open();
        await context.route("**/worker_loader.js", async (route) => {
          const response = await route.fetch();
          const sabotage = `
            const timers = self.setTimeout.bind(self);
            let left = 400;
            self.setTimeout = (...words) => {
              left -= 1;
              if (left < 0) throw new Error("no timers any more");
              return timers(...words);
            };`;
          await route.fulfill({ response, body: sabotage + (await response.text()) });
        });
        const visitor = await Visitor.arrive(context, address);
        const panel = visitor.page.getByRole("dialog", { name: "The engine stopped" });
        await panel.waitFor();
        const text = await panel.innerText();
        check(text.includes("no timers any more"), `what the panel says: ${text}`);
        const link = await panel.getByRole("link").getAttribute("href");
        check(link.includes("#s1="), `the link of the panel: ${link}`);
        const late = await visitor.run("get a");
        same(late.ok, false, "a call after the end is refused, not left hanging");
      } finally {
        await profile.close();
      }
    },
  },
  {
    claim: "promises are counted beside the console, and each is named in words",
    test: (place) =>
      visit(place, async (visitor) => {
        const { page } = visitor;
        await visitor.hurry();
        await visitor.output("put greeting hello");
        await until("promises that hold", async () =>
          /✓ [1-9]/.test(await page.locator("button.promises").innerText()),
        );
        await page.locator("button.promises").click();
        await page.getByText("There is at most one leader, ever, in a term.").waitFor();
        await page.keyboard.press("Escape");
        same(await page.locator(".promise-list").count(), 0, "the list is closed");
      }),
  },
  {
    claim: "a watch of the console shows what it hears",
    test: (place) =>
      visit(place, async (visitor) => {
        await visitor.hurry();
        // Once a write is acknowledged the servers serve, and take streams.
        await visitor.output("put greeting first");
        await visitor.output("watch greeting");
        await visitor.output("put greeting hello");
        await visitor.page.locator(".watches pre", { hasText: "hello" }).waitFor();
      }),
  },
];
