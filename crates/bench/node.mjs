// Runs the cases in wasm under Node: node --no-liftoff node.mjs FOLDER AREA [--floor] --filter WORD
// --budget-ms N, where FOLDER holds what `wasm-bindgen --target experimental-nodejs-module` made of
// this crate.
//
// Without that option the engine compiles a function quickly when it is first called, and well only
// after it ran for a while, beside the program: what comes first is measured twice as slow, by
// chance. Each case runs once before it is measured anyway.
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [folder, area, ...options] = process.argv.slice(2);
const value = (name) => options[options.indexOf(name) + 1];
const bench = await import(pathToFileURL(path.resolve(folder, "bench.js")).href);
const floor = options.includes("--floor");
process.stdout.write(bench.measure(area, value("--filter"), Number(value("--budget-ms")), floor));
