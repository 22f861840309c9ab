// The network in onnxruntime-web, which was put into this page together with it.

// Everything is in the page: the runtime's loader is given as a blob, its program as bytes.
export async function openNetwork(model) {
  const loader = new Blob([await unpacked("runtime-loader")], { type: "text/javascript" });
  ort.env.wasm.numThreads = 1; // threads need headers that a page from a disk does not have
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(loader) };
  ort.env.wasm.wasmBinary = await unpacked("runtime-program");
  const session = await ort.InferenceSession.create(new Uint8Array(await unpacked("network")),
    { executionProviders: ["wasm"] });
  const { rows: count, samples } = model.shape;
  // rows: standardized leads, null where a lead is absent.
  return async (rows) => {
    const signal = new Float32Array(count * samples);
    rows.forEach((row, k) => { if (row !== null) signal.set(row, k * samples); });
    const feeds = { signal: new ort.Tensor("float32", signal, [1, count, samples]) };
    if (session.inputNames.includes("presence")) {
      feeds.presence = new ort.Tensor(
        "float32", Float32Array.from(rows, (row) => (row === null ? 0 : 1)), [1, count]);
    } else if (rows.includes(null)) {
      throw new Error("this model needs every lead, and one is absent");
    }
    const { logits } = await session.run(feeds);
    return Array.from(logits.data);
  };
}

// A part of the page: base64 of gzip.
async function unpacked(id) {
  const text = atob(document.getElementById(id).textContent.trim());
  const bytes = Uint8Array.from(text, (mark) => mark.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
