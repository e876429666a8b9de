// What the end-to-end tests stand on: a static server, a browser with a profile that lasts, and a
// visitor who uses the page as people do.

import { createServer } from "node:http";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

/** How long a condition is awaited. */
export const PATIENCE_MS = 60_000;

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
};

/** Serves a directory on loopback; gives its address. */
export async function serve(directory) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    try {
      const file = join(directory, path === "/" ? "index.html" : path);
      const body = await readFile(file);
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** Numbers from a seed: a run can be repeated. */
export class Dice {
  constructor(seed) {
    this.state = BigInt(seed) | 1n;
  }

  /** From 0 to sides - 1. */
  roll(sides) {
    this.state = (this.state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((this.state >> 33n) % BigInt(sides));
  }
}

/** A browser profile on disk, with at most one browser on it. */
export class Profile {
  static async create() {
    const profile = new Profile();
    profile.directory = await mkdtemp(join(tmpdir(), "quorarium-e2e-"));
    return profile;
  }

  /** Opens the browser; `options` are Playwright's. */
  async open(options = {}) {
    this.context = await chromium.launchPersistentContext(this.directory, {
      executablePath: CHROMIUM,
      args: FLAGS,
      headless: true,
      viewport: { width: 1366, height: 860 },
      ...options,
    });
    return this.context;
  }

  /** The processes of this profile's browser: the one that has its name, and all below it. */
  async processes() {
    const all = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(processOf);
    const known = all.filter(Boolean);
    const named = `--user-data-dir=${this.directory}`;
    const found = new Set(known.filter((one) => one.words.includes(named)));
    for (let size = -1; size !== found.size; ) {
      size = found.size;
      const ids = new Set([...found].map((one) => one.id));
      known.filter((one) => ids.has(one.parent)).forEach((one) => found.add(one));
    }
    return [...found];
  }

  /** SIGKILL to the renderers: the tab dies, the browser lives. */
  async killRenderer(page) {
    const crashed = new Promise((seen) => page.once("crash", seen));
    const processes = await this.processes();
    const renderers = processes.filter(({ words }) => words.includes("--type=renderer"));
    if (renderers.length === 0) throw new Error("no renderer was found");
    renderers.forEach(({ id }) => kill(id));
    await crashed;
    await page.close();
  }

  /** SIGKILL to the browser process and to everything below it. */
  async killBrowser() {
    const gone = new Promise((closed) => this.context.once("close", closed));
    for (const { id } of await this.processes()) kill(id);
    await gone;
    await until("the browser to be gone", async () => (await this.processes()).length === 0);
    for (const name of ["SingletonLock", "SingletonSocket", "SingletonCookie"]) {
      await rm(join(this.directory, name), { force: true });
    }
  }

  async close() {
    await this.context?.close().catch(() => {});
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A process by its number, unless it ended while we looked. */
function processOf(name) {
  try {
    const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split(/[\0 ]/);
    const stat = readFileSync(`/proc/${name}/stat`, "utf8");
    const state = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state[0] === "Z" ? null : { id: Number(name), parent: Number(state[1]), words };
  } catch {
    return null;
  }
}

function kill(id) {
  try {
    process.kill(id, "SIGKILL");
  } catch {
    // It was faster.
  }
}

/** A moment of patience inside a loop that awaits a condition. */
export const moment = (milliseconds = 20) =>
  new Promise((passed) => setTimeout(passed, milliseconds));

/** Awaits a condition of our own; says what was missing. */
export async function until(what, condition) {
  const ends = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > ends) throw new Error(`waited in vain: ${what}`);
    await moment();
  }
}

/** A visitor on a page. */
export class Visitor {
  /** Opens the page and waits for its API. */
  static async arrive(context, address) {
    const visitor = new Visitor();
    visitor.page = await context.newPage();
    visitor.noise = [];
    visitor.page.on("pageerror", (error) => visitor.noise.push(String(error)));
    visitor.page.on("console", (message) => {
      if (message.type() === "error") visitor.noise.push(message.text());
    });
    await visitor.page.goto(address);
    await visitor.page.waitForFunction(() => window.quorarium, null, { timeout: PATIENCE_MS });
    return visitor;
  }

  /** Calls the page's API. */
  call(name, ...words) {
    return this.page.evaluate(([name, words]) => window.quorarium[name](...words), [name, words]);
  }

  run(line) {
    return this.call("run", line);
  }

  state() {
    return this.call("state");
  }

  /** Runs a line that must succeed; gives its output. */
  async output(line) {
    const { ok, output, error } = await this.run(line);
    if (!ok) throw new Error(`${line}: ${error}`);
    return output;
  }

  /** Waits until somebody leads; gives the name. */
  async leader() {
    const state = await until("a leader", async () => {
      const state = await this.state();
      return state.leader && state;
    });
    return state.leader;
  }

  /** Waits until a server is as wanted. */
  node(name, what, wanted) {
    return until(`${name} ${what}`, async () => {
      const node = (await this.state()).nodes.find((node) => node.name === name);
      return wanted(node) && node;
    });
  }

  /** Comes back to the page; time runs fast, so that the servers agree soon. */
  async reload() {
    await this.page.reload();
    await this.page.waitForFunction(() => window.quorarium, null, { timeout: PATIENCE_MS });
    await this.hurry();
  }

  /** Waits for a leader at a speed at which an election takes a moment. */
  async hurry() {
    await this.call("play", 1);
    await this.leader();
  }

  /** Types a line into the console, as people do; gives what stands below it. */
  async type(line) {
    const exchanges = this.page.locator(".transcript .exchange");
    const before = await exchanges.count();
    await this.page.locator("#prompt").fill(line);
    await this.page.locator("#prompt").press("Enter");
    const exchange = exchanges.nth(before);
    await exchange.locator(".said").waitFor({ timeout: PATIENCE_MS });
    return exchange.locator(".said").innerText();
  }
}

/** Works on the page's database behind its back; `work` gets the database, a function that awaits
 * a request, and the words. */
export function inDatabase(page, work, ...words) {
  const open = async (work, words) => {
    const ask = (request) =>
      new Promise((done, failed) => {
        request.onsuccess = () => done(request.result);
        request.onerror = () => failed(request.error);
      });
    const database = await ask(indexedDB.open("quorarium"));
    try {
      return await work(database, ask, ...words);
    } finally {
      database.close();
    }
  };
  // As text: a page with a strict Content-Security-Policy makes no functions from text itself.
  return page.evaluate(`(${open})(${work}, ${JSON.stringify(words)})`);
}

/** A page of the same origin on which nothing runs. */
export async function bystander(context, address) {
  const page = await context.newPage();
  await page.goto(`${address}theme.js`);
  return page;
}

/** Fails unless it is so. */
export function check(isSo, what) {
  if (!isSo) throw new Error(what);
}

/** Fails unless both are the same. */
export function same(found, expected, what) {
  const [one, other] = [found, expected].map((value) =>
    JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? `${inner}n` : inner)),
  );
  check(one === other, `${what}: found ${one}, expected ${other}`);
}
