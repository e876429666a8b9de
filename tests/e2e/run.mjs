// node tests/e2e/run.mjs DIST_DIR [WORD…]: the built page in a headless Chromium, end to end. With
// words, only the claims that contain one of them. The last line is `N passed, N failed`.

import { resolve } from "node:path";
import { serve } from "./harness.mjs";
import { session } from "./session.mjs";
import { survival } from "./survival.mjs";
import { damage } from "./damage.mjs";
import { links } from "./links.mjs";
import { tabs } from "./tabs.mjs";
import { reading } from "./reading.mjs";
import { looks } from "./looks.mjs";

const [directory, ...words] = process.argv.slice(2);
if (!directory) {
  console.error("usage: node tests/e2e/run.mjs DIST_DIR [WORD…]");
  process.exit(2);
}

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_007);
console.log(`end to end, seed ${seed} (SEED=${seed} repeats it)`);

const server = await serve(resolve(directory));
let [passed, failed] = [0, 0];
for (const { claim, test } of [session, links, tabs, damage, survival, reading, looks].flat()) {
  if (words.length > 0 && !words.some((word) => claim.includes(word))) continue;
  const began = Date.now();
  try {
    await test({ address: server.address, seed });
    passed += 1;
    console.log(`ok      ${claim} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${claim}\n${String(error.stack ?? error).replaceAll(/^/gm, "        ")}`);
  }
}
server.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
