// What computes for the panels: a worker of the page, or the kernel behind a widget in Jupyter.
//
// Both have `load(panel)`, `run(panel, task, options)` and `stop()`. They answer by the panel's
// `receive(data)`, with the messages of worker.js, and by `fail(sentence)` where all is lost.
// One panel computes at a time.

const PATIENCE = 60; // seconds without a word from the worker until it counts as lost

class Engine {
  constructor() {
    this.panel = null; // the one that is being served
    this.place = "in this page, and nothing is sent anywhere";
    this.metadata = null;
    this.timer = null;
  }

  /** Whether this panel may have the engine now; else it is told why not. */
  take(panel) {
    if (this.panel && this.panel !== panel) {
      panel.receive({ kind: "busy" });
      return false;
    }
    this.panel = panel;
    return true;
  }

  /** Hand a message on to the panel, and let go of it when its work is over. */
  answer(data) {
    const panel = this.panel;
    if (data.kind === "loaded") this.metadata = data.metadata;
    if (data.kind !== "step" && data.kind !== "loaded") this.release();
    else this.expect();
    panel?.receive(data);
  }

  release() {
    clearTimeout(this.timer);
    this.panel = null;
  }

  /** Count an engine that is silent for too long as lost. */
  expect() {
    clearTimeout(this.timer);
    const lost = "The browser ended the computation; press the button to start it anew.";
    this.timer = setTimeout(() => this.lose(lost), PATIENCE * 1000);
  }

  lose(message) {
    const panel = this.panel;
    this.release();
    panel?.fail(message);
  }
}

/** A worker of the page, shared by the panels on it; nothing is loaded before the first touch. */
export class WorkerEngine extends Engine {
  constructor(files) {
    super();
    this.files = files; // names as in worker.js, and `worker`: URLs, relative to the page
    this.worker = null;
    this.waiting = []; // panels that wait for the model, without anything to compute yet
  }

  load(panel) {
    if (this.worker) return true;
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
      panel.fail("This browser has no WebAssembly or no workers, so no digits can be made.");
      return false;
    }
    const url = (name) => name && new URL(name, document.baseURI).href;
    try {
      this.worker = new Worker(url(this.files.worker), { type: "module" });
    } catch {
      panel.fail("This browser lets the page start no worker, so no digits can be made.");
      return false;
    }
    this.first = panel;
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.lose("The worker could not be loaded or failed; press the button to try again.");
    };
    const { sha256, backend } = this.files;
    const urls = ["runtime", "wasm", "gpu_runtime", "gpu_wasm", "model"].map((name) => [
      name,
      url(this.files[name]),
    ]);
    this.worker.postMessage({ kind: "load", sha256, backend, ...Object.fromEntries(urls) });
    panel.receive({ kind: "loading" });
    this.expect();
    return true;
  }

  receive(data) {
    if (data.kind === "error" && !this.metadata) return this.lose(data.message);
    if (data.kind === "loaded" && !this.panel) {
      this.metadata = data.metadata;
      clearTimeout(this.timer);
      this.first.receive(data);
      return;
    }
    this.answer(data);
  }

  /** The worker is gone: say so, and be ready for another try. */
  lose(message) {
    this.worker?.terminate();
    this.worker = null;
    this.metadata = null;
    this.panel ??= this.first;
    super.lose(message);
  }

  run(panel, task, options) {
    if (!this.take(panel)) return false;
    if (!this.load(panel)) {
      this.release();
      return false;
    }
    this.expect();
    this.worker.postMessage({ kind: "run", task, options });
    return true;
  }

  stop() {
    this.worker?.postMessage({ kind: "stop" });
  }
}

/** The kernel behind a widget: the same messages over anywidget's channel, arrays as buffers. */
export class KernelEngine extends Engine {
  constructor(model) {
    super();
    this.model = model;
    this.place = "in the kernel of this notebook";
    this.metadata = model.get("metadata");
    model.on("msg:custom", (data, buffers) => {
      const arrays = (data.arrays ?? []).map((name, i) => {
        const { buffer, byteOffset, byteLength } = buffers[i];
        return [name, new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength))];
      });
      this.answer({ ...data, ...Object.fromEntries(arrays) });
    });
  }

  load() {
    return true;
  }

  /** Kernels have no deadline: cells of the notebook may run before. */
  expect() {}

  run(panel, task, options) {
    if (!this.take(panel)) return false;
    const isArray = (value) => value instanceof Float32Array;
    const plain = Object.entries(options).map(([key, value]) => [
      key,
      isArray(value) ? Array.from(value) : value,
    ]);
    this.model.send({ kind: "run", task, options: Object.fromEntries(plain) });
    return true;
  }

  stop() {
    this.model.send({ kind: "stop" });
  }
}

const FILES = {
  worker: "worker_url",
  runtime: "runtime_url",
  wasm: "wasm_url",
  gpu_runtime: "gpu_runtime_url",
  gpu_wasm: "gpu_wasm_url",
  model: "model_url",
  sha256: "model_sha256",
  backend: "backend",
};
const shared = new Map(); // engines of this page, by the model's URL

/** The engine for a panel's model: the kernel's where there is one, else the page's. */
export function engineOf(model) {
  if (model.get("has_kernel")) return new KernelEngine(model);
  const files = Object.fromEntries(
    Object.entries(FILES).map(([name, key]) => [name, model.get(key)]),
  );
  if (!shared.has(files.model)) shared.set(files.model, new WorkerEngine(files));
  return shared.get(files.model);
}
