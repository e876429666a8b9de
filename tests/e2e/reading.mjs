// A data directory on the page: what our own simulator wrote opens there, beside a laboratory that
// goes on. The command line, where it is built, must say the same of it.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, moment, same, until } from "./harness.mjs";
import { visit } from "./session.mjs";

const CLI = process.env.QUORARIUM ?? "target/debug/quorarium";
const FIXTURE = new URL("./fixtures/n1.tar.gz", import.meta.url);

/** Gives the page a file as `importFile` takes it; resolves to the summary with text for numbers. */
export function importBytes(page, name, bytes) {
  return page.evaluate(
    async ([name, base64]) => {
      const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
      const found = await window.quorarium.importFile(new File([bytes], name));
      return JSON.parse(JSON.stringify(found, (_, one) => (typeof one === "bigint" ? `${one}` : one)));
    },
    [name, bytes.toString("base64")],
  );
}

/** Numbers as text, so that 64 bits compare whole. */
const texts = (json) => json.replaceAll(/([:[,]\s*)(-?\d+)(?=\s*[,}\]])/g, '$1"$2"');
const asTexts = (value) => JSON.parse(texts(JSON.stringify(value)));

export const reading = [
  {
    claim: "importFile gives what inspect prints, and the world goes on behind it",
    test: (place) =>
      visit(place, async (visitor) => {
        const bytes = await readFile(FIXTURE);
        await visitor.hurry();
        const before = await visitor.state();
        const found = await importBytes(visitor.page, "n1.tar.gz", bytes);
        same(found.kind, "etcd", "what it is");
        same(found.wal.hard_state.commit, found.wal.last_index, "its log is committed");
        await until("the world to go on", async () => (await visitor.state()).event > before.event);
        const { page } = visitor;
        await page.locator(".reading").getByRole("tab", { name: /^Damage/ }).click();
        await page.locator(".verdict").waitFor();
        check((await page.locator(".verdict").innerText()).includes("boots"), "the verdict");
        await page.getByRole("button", { name: "Back to the laboratory" }).click();
        same(await page.locator(".reading").count(), 0, "it is closed");
        if (!existsSync(CLI)) return console.error(`SKIPPED the comparison: ${CLI} is not built`);
        const directory = await mkdtemp(join(tmpdir(), "quorarium-reading-"));
        try {
          await writeFile(join(directory, "n1.tar.gz"), bytes);
          const words = ["inspect", "--json", join(directory, "n1.tar.gz")];
          const said = JSON.parse(texts(execFileSync(CLI, words, { encoding: "utf8" })));
          same(asTexts(found), said, "page and command line");
        } finally {
          await rm(directory, { recursive: true });
        }
      }),
  },
  {
    claim: "a chosen archive shows its records beside their bytes and its keys as of a revision",
    test: (place) =>
      visit(place, async (visitor) => {
        const { page } = visitor;
        await page.getByRole("button", { name: "Open", exact: true }).click();
        await page.locator(".choice input").first().setInputFiles(FIXTURE.pathname);
        await page.locator(".reading").getByRole("tab", { name: "Records" }).click();
        await page.getByLabel("Go to index").fill("4");
        await page.getByLabel("Go to index").press("Enter");
        const picked = page.locator(".wal-table tr[aria-selected=true]");
        await picked.waitFor();
        check((await picked.innerText()).includes("4/"), "entry 4 is chosen");
        check((await page.locator(".reading .hex .byte").count()) > 32, "its bytes are there");
        await page.locator(".reading").getByRole("tab", { name: "Keys" }).click();
        await page.locator(".keys-table tbody tr").first().waitFor();
        await page.getByLabel("At revision").fill("3");
        await page.getByLabel("At revision").press("Enter");
        await until("the older keys", async () =>
          (await page.locator(".keys-head").innerText()).includes("revision 3 of 8"),
        );
        await page.getByLabel("At revision").fill("99");
        await page.getByLabel("At revision").press("Enter");
        await page.getByText("revision 99 is not there").waitFor();
      }),
  },
  {
    claim: "a database shows its pages and the rows on them beside their bytes",
    test: (place) =>
      visit(place, async (visitor) => {
        const { page } = visitor;
        await importBytes(page, "n1.tar.gz", await readFile(FIXTURE));
        await page.locator(".reading").getByRole("tab", { name: "Pages" }).click();
        const row = page.locator(".pieces tbody tr");
        await row.first().waitFor();
        check((await row.first().innerText()).includes("meta"), "the first page is a meta page");
        // So small a database has its buckets in one page.
        await row.filter({ hasText: "all buckets" }).first().click();
        const fields = page.locator(".reading .fields");
        await fields.getByText(/^value \d+\.key 0\.main$/).first().waitFor();
        await fields.getByText(/^value \d+\.value 0\.mod_revision$/).first().hover();
        check((await page.locator(".reading .hex .byte.lit").count()) > 0, "the field's bytes are lit");
        same(await page.getByLabel("File").inputValue(), "member/snap/db", "the file");
      }),
  },
  {
    claim: "damage leads to the bytes of its record",
    test: (place) =>
      visit(place, async (visitor) => {
        const { page } = visitor;
        const bytes = await readFile(new URL("./fixtures/n1-flipped.tar.gz", import.meta.url));
        await importBytes(page, "n1-flipped.tar.gz", bytes);
        await page.locator(".reading").getByRole("tab", { name: /^Damage ✗/ }).click();
        const row = page.locator(".found li", { hasText: ".wal" }).first();
        await row.getByRole("button", { name: "Show its bytes" }).click();
        await page.locator(".wal-table tr[aria-selected=true] .crc-bad").waitFor();
        await page.locator(".reading .record .hex").waitFor();
        await page.locator(".reading").getByRole("tab", { name: "Keys" }).click();
        await page.locator(".reading .fatal", { hasText: "crc mismatch" }).waitFor();
        await page.locator(".reading .advice", { hasText: "quorarium repair" }).waitFor();
      }),
  },
  {
    claim: "what is no data directory is refused in words, and closing returns to the laboratory",
    test: (place) =>
      visit(place, async (visitor) => {
        const { page } = visitor;
        const said = await importBytes(page, "a.txt", Buffer.from("hello")).then(String, String);
        check(said.includes("no data directory found"), `refused with: ${said}`);
        await page.locator(".reading .fatal").waitFor();
        await page.keyboard.press("Escape");
        await until("the laboratory", async () => (await page.locator(".reading").count()) === 0);
        await moment();
        same(visitor.noise, [], "nothing went wrong behind it");
      }),
  },
];
