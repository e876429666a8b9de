// Links: the same run at the same moment in another browser; broken ones leave the session alone.

import { Profile, Visitor, check, same } from "./harness.mjs";
import { visit } from "./session.mjs";

async function shared(visitor) {
  await visitor.hurry();
  await visitor.output("put greeting hello");
  await visitor.output("crash leader");
  await visitor.leader();
  await visitor.output("put greeting again");
  await visitor.output("restart all");
  await visitor.output("put last one");
  await visitor.call("pause");
  const { event } = await visitor.state();
  return { link: await visitor.call("link"), event, fingerprint: await visitor.call("fingerprint") };
}

async function opened(address, link, test) {
  const profile = await Profile.create();
  try {
    const visitor = await Visitor.arrive(await profile.open(), address + link);
    await test(visitor, profile);
    same(visitor.noise, [], "errors in the browser's console");
  } finally {
    await profile.close();
  }
}

export const links = [
  {
    claim: "a link opens in a second profile at the same event with the same fingerprint",
    test: (place) =>
      visit(place, async (visitor) => {
        const { link, event, fingerprint } = await shared(visitor);
        await opened(place.address, link, async (guest) => {
          await guest.page.locator(".notice", { hasText: "shared run" }).waitFor();
          const state = await guest.state();
          same([state.event, state.playing], [event, false], "paused at the moment");
          same(await guest.call("fingerprint"), fingerprint, "the fingerprint");
          same(await guest.output("get greeting"), "greeting\nagain", "what was written");
        });
      }),
  },
  {
    claim: "a session that was reloaded is still shared by a link",
    test: (place) =>
      visit(place, async (visitor) => {
        await visitor.leader();
        await visitor.output("put greeting hello");
        await visitor.call("flushed");
        await visitor.reload();
        const { link, event, fingerprint } = await shared(visitor);
        await opened(place.address, link, async (guest) => {
          await guest.page.locator(".notice", { hasText: "shared run" }).waitFor();
          same((await guest.state()).event, event, "the moment");
          same(await guest.call("fingerprint"), fingerprint, "the fingerprint after a reload");
        });
      }),
  },
  {
    claim: "an opened link leaves the stored session as it was",
    test: (place) =>
      visit(place, async (visitor, context) => {
        const { link } = await shared(visitor);
        await visitor.output("put mine kept");
        await visitor.call("flushed");
        await visitor.page.close();
        const guest = await Visitor.arrive(context, place.address + link);
        await guest.page.locator(".notice", { hasText: "shared run" }).waitFor();
        await guest.output("put mine changed");
        await guest.page.close();
        const again = await Visitor.arrive(context, place.address);
        await again.hurry();
        same(await again.output("get mine"), "mine\nkept", "the stored session");
      }),
  },
  {
    claim: "broken and oversized links are refused in words, and the stored session opens",
    test: (place) =>
      visit(place, async (visitor, context) => {
        await visitor.leader();
        await visitor.output("put mine kept");
        const link = await visitor.call("link");
        await visitor.call("flushed");
        for (const text of ["#s1=A", link.replace(/.{6}$/, "AAAAAA")]) {
          const refused = await visitor.call("load", text).then(() => "done", String);
          check(refused !== "done" && refused.includes("link"), `load(${text.slice(0, 20)}…): ${refused}`);
        }
        same(await visitor.output("get mine"), "mine\nkept", "after broken links to load()");
        await visitor.page.close();
        const broken = [
          "#s1=",
          "#s1=!!!!",
          "#s9=AAAA",
          "#nonsense",
          link.slice(0, link.length / 2),
          link.replace(/.{6}$/, "AAAAAA"),
          `#s1=${"A".repeat(70_000)}`,
        ];
        for (const text of broken) {
          const guest = await Visitor.arrive(context, place.address + text);
          await guest.page.locator(".notice", { hasText: "link cannot be opened" }).waitFor();
          await guest.hurry();
          same(await guest.output("get mine"), "mine\nkept", "the stored session");
          await guest.page.close();
        }
      }),
  },
];
