// Damage in the browser's storage: one page is one server's affair, a head is everybody's; full or
// missing storage is said in words.

import { Profile, Visitor, bystander, check, inDatabase, same, until } from "./harness.mjs";
import { visit } from "./session.mjs";

/** A session with a few pages of log on every server, all of them in place. */
async function session(context, address) {
  const visitor = await Visitor.arrive(context, address);
  await visitor.hurry();
  for (let number = 0; number < 24; number += 1) {
    await visitor.output(`put key/${number} ${"x".repeat(500)}`);
  }
  await visitor.call("flushed");
  // The first slice after an opening is a checkpoint: it puts every page in place.
  await visitor.reload();
  await visitor.call("flushed");
  await visitor.page.close();
}

export const damage = [
  {
    claim: "a damaged WAL page makes its server say so while the others go on",
    test: async ({ address }) => {
      const profile = await Profile.create();
      try {
        const context = await profile.open();
        await session(context, address);
        const page = await bystander(context, address);
        const key = await inDatabase(page, async (database, ask) => {
          const pages = database.transaction("pages", "readwrite").objectStore("pages");
          const keys = await ask(pages.getAllKeys());
          // The second page of n2's log, the youngest of its files that has one: full, so that
          // nothing has rewritten it since.
          const second = keys.filter(([node, , page]) => node === 1 && page === 1);
          const key = second.sort(([, one], [, other]) => other - one)[0];
          const record = await ask(pages.get(key));
          record[1000] ^= 0x40;
          await ask(pages.put(record, key));
          return key;
        });
        await page.close();
        const visitor = await Visitor.arrive(context, address);
        const broken = await visitor.node("n2", "to say so", (node) => node.fatal);
        check(/crc|wal/i.test(broken.fatal), `n2 died with: ${broken.fatal}`);
        await visitor.hurry();
        const { nodes } = await visitor.state();
        same(nodes.map((node) => node.up), [true, false, true], "who is up");
        same(await visitor.output("get key/7"), `key/7\n${"x".repeat(500)}`, "a key from before");
        const notice = visitor.page.locator(".notice", { hasText: `pages [${key.join(", ")}]` });
        await notice.waitFor();
        check((await notice.innerText()).includes("n2"), "the notice names the server");
      } finally {
        await profile.close();
      }
    },
  },
  {
    claim: "a damaged head is named, nothing is changed, and a fresh start is offered",
    test: async ({ address }) => {
      const profile = await Profile.create();
      try {
        const context = await profile.open();
        await session(context, address);
        const page = await bystander(context, address);
        await inDatabase(page, async (database, ask) => {
          const meta = database.transaction("meta", "readwrite").objectStore("meta");
          const record = await ask(meta.get(["checkpoint", 0]));
          record[20] ^= 1;
          await ask(meta.put(record, ["checkpoint", 0]));
        });
        await page.close();
        const visitor = await Visitor.arrive(context, address);
        const notice = visitor.page.locator(".notice", { hasText: "damaged" });
        await notice.waitFor();
        const title = await visitor.page.locator(".storage").getAttribute("title");
        check(title.includes('meta ["checkpoint", 0]'), `what is said of it: ${title}`);
        await notice.getByRole("button", { name: "start fresh" }).click();
        await visitor.hurry();
        same(await visitor.output("get key/7"), "", "a fresh session");
      } finally {
        await profile.close();
      }
    },
  },
  {
    claim: "a full store stops the world, says so, and lets the visitor go on in memory",
    test: (place) =>
      visit(place, async (visitor, context) => {
        await visitor.hurry();
        const browser = await context.newCDPSession(visitor.page);
        const origin = new URL(place.address).origin;
        await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1 });
        await visitor.output("load put key=load/{0..9} value=4000B rate=100/s");
        await visitor.page.locator(".notice", { hasText: "storage is full" }).waitFor();
        const { event } = await visitor.state();
        same((await visitor.state()).event, event, "time stands still");
        const refused = await visitor.call("flushed").then(() => "done", String);
        check(refused !== "done", "nothing is flushed into a full store");
        await visitor.page.getByRole("button", { name: "in memory" }).click();
        await visitor.call("play", 1);
        same(await visitor.output("put greeting hello"), "OK", "it goes on");
        await visitor.page.locator(".storage", { hasText: "in memory" }).waitFor();
      }),
  },
  {
    claim: "without IndexedDB the page says so and runs in memory when asked to",
    test: async ({ address }) => {
      const profile = await Profile.create();
      try {
        const context = await profile.open();
        await context.route("**/worker_loader.js", async (route) => {
          const response = await route.fetch();
          const hide = "Object.defineProperty(self, 'indexedDB', { value: undefined });";
          await route.fulfill({ response, body: hide + (await response.text()) });
        });
        const visitor = await Visitor.arrive(context, address);
        await visitor.page.locator(".notice", { hasText: "no storage" }).waitFor();
        const early = await visitor.run("put greeting hello");
        same(early.ok, false, "there is no session yet");
        await visitor.page.getByRole("button", { name: "in memory" }).click();
        await visitor.hurry();
        same(await visitor.output("put greeting hello"), "OK", "it runs");
        await until("the word for it", async () =>
          (await visitor.page.locator(".storage").innerText()).includes("in memory"),
        );
      } finally {
        await profile.close();
      }
    },
  },
];
