// The thread on which frames become input values, while another runs the model on the one before.
// Classic, as engine_worker.js: not every browser has module workers.
const ready = import("./preparing.js");
// A second frame may come before the module is there.
self.onmessage = ({ data }) =>
  ready.then(
    ({ answer }) => answer(data),
    (error) => self.postMessage({ id: data.id, error: String(error) }),
  );
