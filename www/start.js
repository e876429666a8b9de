// Starts the page. A file of its own rather than Trunk's inline script, so that a strict
// Content-Security-Policy fits. Until `init` returns, the visitor reads the text of index.html.
const js = document.getElementById("engine-js").href;
const wasm = document.getElementById("engine-wasm").href;

try {
  const { default: init } = await import(js);
  await init({ module_or_path: wasm });
} catch (error) {
  const say = document.getElementById("shell-say");
  if (say) {
    say.textContent = `Quorarium could not start: ${error}. It needs a browser with WebAssembly and modules.`;
  }
  throw error;
}
