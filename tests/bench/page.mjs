// node tests/bench/page.mjs DIST_DIR [--json] [--filter WORD]: what the built page costs in a headless
// Chromium. Work is the main thread's processor time as Chromium's own trace has it, so that a busy
// machine, or one without a GPU, measures the page and not itself; times of opening are the clock's.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { chromium } from "playwright-core";
import { CHROMIUM, FLAGS, Visitor, check, moment, serve } from "../e2e/harness.mjs";

const [directory, ...options] = process.argv.slice(2);
if (!directory) {
  console.error("usage: node tests/bench/page.mjs DIST_DIR [--json] [--filter WORD]");
  process.exit(2);
}
const word = options.includes("--filter") ? options[options.indexOf("--filter") + 1] : "";

const SEGMENT =
  process.env.QUORARIUM_SEGMENT ?? "../shared/corpus/etcd/A2_multiseg64m.tar.gz";
const LAST_MS = 10_000;

/** The value below which a share of the numbers lies. */
const quantile = (numbers, share) =>
  numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))];

async function visit(address, work) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, headless: true });
  try {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    return await work(await Visitor.arrive(context, address), browser);
  } finally {
    await browser.close();
  }
}

/** Opening a directory: by the API, and by the button until its contents stand on the screen. */
async function opening(address) {
  if (!existsSync(SEGMENT)) return [{ case: "open/64MB-segment", skipped: `${SEGMENT} is missing` }];
  const bytes = await readFile(SEGMENT);
  return visit(address, async (visitor) => {
    const { page } = visitor;
    await visitor.call("pause");
    const api = await page.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
      const began = performance.now();
      await window.quorarium.importFile(new File([bytes], "segment.tar.gz"));
      return performance.now() - began;
    }, bytes.toString("base64"));
    await page.getByRole("button", { name: "Back to the laboratory" }).click();
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.evaluate(() => {
      const input = document.querySelector(".choice input");
      input.addEventListener("change", () => (window.began = performance.now()), { capture: true });
      new MutationObserver((_, observer) => {
        if (!document.querySelector(".reading .topic, .reading dl")) return;
        observer.disconnect();
        window.took = performance.now() - window.began;
      }).observe(document, { subtree: true, childList: true });
    });
    await page.locator(".choice input").first().setInputFiles(resolve(SEGMENT));
    await page.waitForFunction(() => window.took);
    const screen = await page.evaluate(() => window.took);
    return [
      { case: "open/64MB-segment/importFile", ms: api, target_ms: 1_000 },
      { case: "open/64MB-segment/screen", ms: screen, target_ms: 1_000 },
    ];
  });
}

/** Frames of a cluster under load: the main thread's work from one animation frame to the next. */
async function frames(address, servers) {
  return visit(address, async (visitor, browser) => {
    const lines = [
      `cluster etcd nodes=${servers} seed=1 latency=2ms..20ms`,
      "0s load put key=user/{0..99} value=16B rate=100/s for=600s",
    ];
    await visitor.call("load", lines.join("\n"));
    await visitor.call("play", 1);
    await visitor.leader();
    await visitor.call("play", "1/10");
    await moment(1_000);
    await browser.startTracing(visitor.page, {
      categories: ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"],
    });
    await moment(LAST_MS);
    const { traceEvents } = JSON.parse(await browser.stopTracing());
    check(visitor.noise.length === 0, `the page complains: ${visitor.noise.join("; ")}`);
    return [{ case: `frame/${servers}-servers`, ...workPerFrame(traceEvents), target_ms: 8 }];
  });
}

function workPerFrame(events) {
  const fired = events.filter(({ name }) => name === "FireAnimationFrame");
  const main = mostCommon(fired.map(({ pid, tid }) => `${pid}/${tid}`));
  const ours = events.filter(({ pid, tid, ph }) => `${pid}/${tid}` === main && ph === "X");
  const starts = fired.filter(({ pid, tid }) => `${pid}/${tid}` === main).map(({ ts }) => ts);
  starts.sort((a, b) => a - b);
  const total = perFrame(starts, ours.filter(({ name }) => /RunTask$/.test(name)));
  const script = perFrame(starts, ours.filter(({ name }) => /^(FireAnimationFrame|FunctionCall)$/.test(name)));
  check(total.length > 30, `only ${total.length} frames were drawn`);
  return {
    frames: total.length,
    p50_ms: quantile(total, 0.5),
    p99_ms: quantile(total, 0.99),
    script_p50_ms: quantile(script, 0.5),
    script_p99_ms: quantile(script, 0.99),
  };
}

function mostCommon(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

/** Sums the processor time of the events between two starts; events inside others count once. */
function perFrame(starts, events) {
  const sums = starts.slice(1).map(() => 0);
  let [frame, ends] = [0, 0];
  for (const { ts, dur = 0, tdur = 0 } of events.toSorted((a, b) => a.ts - b.ts)) {
    if (ts < starts[0] || ts < ends) continue;
    while (frame < sums.length && ts >= starts[frame + 1]) frame += 1;
    if (frame === sums.length) break;
    sums[frame] += tdur / 1_000;
    ends = ts + dur;
  }
  return sums;
}

const CASES = [
  { name: "open", measure: opening },
  { name: "frame/25", measure: (address) => frames(address, 25) },
  { name: "frame/101", measure: (address) => frames(address, 101) },
];

const server = await serve(resolve(directory));
const rows = [];
for (const { name, measure } of CASES.filter(({ name }) => name.includes(word))) {
  console.error(`measuring ${name}`);
  rows.push(...(await measure(server.address)));
}
server.close();
if (options.includes("--json")) {
  console.log(JSON.stringify({ area: "page", cases: rows }));
} else {
  for (const { case: name, ...numbers } of rows) {
    const words = Object.entries(numbers).map(([what, value]) =>
      `${what} ${typeof value === "number" ? Math.round(value * 10) / 10 : value}`);
    console.log(`${name}: ${words.join(", ")}`);
  }
}
