// Two tabs: one writer.

import { Visitor, same } from "./harness.mjs";
import { visit } from "./session.mjs";

export const tabs = [
  {
    claim: "a second tab says that the session is open in another, and can take it over",
    test: (place) =>
      visit(place, async (first, context) => {
        await first.leader();
        await first.output("put greeting hello");
        const second = await Visitor.arrive(context, place.address);
        const held = second.page.locator(".notice", { hasText: "open in another tab" });
        await held.waitFor();
        same(await first.output("get greeting"), "greeting\nhello", "the first tab goes on");
        await held.getByRole("button", { name: "Take over" }).click();
        await first.page.locator(".notice", { hasText: "took this session over" }).waitFor();
        await second.hurry();
        same(await second.output("get greeting"), "greeting\nhello", "the second tab has it now");
        await first.output("put greeting lost");
        await second.output("put greeting kept");
        await second.call("flushed");
        await first.page.close();
        await second.reload();
        same(await second.output("get greeting"), "greeting\nkept", "what the new owner wrote");
      }),
  },
  {
    claim: "a second tab can run in memory beside the first",
    test: (place) =>
      visit(place, async (first, context) => {
        await first.leader();
        await first.output("put greeting hello");
        const second = await Visitor.arrive(context, place.address);
        const held = second.page.locator(".notice", { hasText: "open in another tab" });
        await held.getByRole("button", { name: "in memory" }).click();
        await second.hurry();
        same(await second.output("get greeting"), "", "a session of its own");
        await second.output("put greeting there");
        same(await first.output("get greeting"), "greeting\nhello", "the first tab's");
      }),
  },
];
