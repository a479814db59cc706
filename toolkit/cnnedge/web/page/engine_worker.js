// The thread on which a model runs. Classic, because LiteRT.js loads its wasm by importScripts;
// everything else is a module.
self.onmessage = (first) => {
  self.onmessage = null;
  import("./runtime.js").then(
    ({ start }) => start(first.data),
    (error) => self.postMessage({ id: first.data.id, error: String(error) }),
  );
};
