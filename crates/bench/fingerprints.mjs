// Prints the fingerprints of the hunting ground's runs in wasm under Node: node fingerprints.mjs FOLDER
// FROM TO, where FOLDER holds what `wasm-bindgen --target experimental-nodejs-module` made of this crate.
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [folder, from, to] = process.argv.slice(2);
const bench = await import(pathToFileURL(path.resolve(folder, "bench.js")).href);
for (let seed = BigInt(from); seed < BigInt(to); seed += 1n) {
  process.stdout.write(bench.fingerprints(seed, seed + 1n));
}
