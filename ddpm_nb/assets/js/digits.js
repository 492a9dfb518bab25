// Digits out of noise, computed in the page: an anywidget module that also runs without a kernel.
//
// `render({model, el})` reads from the model: `worker_url`, `runtime_url`, `wasm_url`, `model_url`
// and `model_sha256`. `mount(element)` takes the same from an element's data attributes, as in
// the pages of the site. Nothing is loaded until the panel is touched.

const PATIENCE = 60; // seconds without a word from the worker until it counts as lost
const GREY = 127.5; // of a pixel from -1 to 1, to 0 to 255

const STYLE = `
.dg-panel { border: 1px solid #8888; border-radius: 6px; padding: .8rem; margin: 1rem 0; }
.dg-row { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center; margin: .3rem 0; }
.dg-row label { display: inline-flex; gap: .35rem; align-items: center; font-size: .85rem; }
.dg-row input[type=number] { width: 5.2rem; }
.dg-images { display: flex; flex-wrap: wrap; gap: .8rem; }
.dg-images figure { flex: 1 1 130px; max-width: 320px; margin: 0; }
.dg-images canvas { width: 100%; image-rendering: pixelated; background: #000; display: block; }
.dg-images figcaption { font-size: .8rem; }
.dg-step { flex: 1 1 160px; }
.dg-step input { flex: 1; min-width: 100px; }
.dg-panel progress { width: 100%; height: .6rem; }
.dg-status { min-height: 1.5em; margin: .3rem 0 0; }
.dg-error { color: #b00020; }
.quarto-dark .dg-error { color: #ff8a80; }
`;

/** An element with properties and children. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Draw images `(n, size, size)` in [-1,1] as a grid, a pixel a pixel. */
function draw(canvas, images, n, size) {
  const columns = Math.ceil(Math.sqrt(n));
  canvas.width = columns * size;
  canvas.height = Math.ceil(n / columns) * size;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  picture.data.fill(255);
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const image = Math.floor(y / size) * columns + Math.floor(x / size);
      const value = image < n ? images[(image * size + (y % size)) * size + (x % size)] : -1;
      const at = 4 * (y * canvas.width + x);
      picture.data.fill(Math.round((value + 1) * GREY), at, at + 3);
    }
  }
  context.putImageData(picture, 0, 0);
}

class Panel {
  constructor(model, element) {
    this.model = model;
    this.worker = null;
    this.metadata = null;
    this.frames = []; // of the last run: {t, xt, x0}, and the end
    this.isRunning = false;
    this.timer = null;
    this.build(element);
  }

  number(name, text, value, min, max, step = 1) {
    const input = make("input", { type: "number", name, value, min, max, step });
    this[name] = input;
    return make("label", {}, `${text} `, input);
  }

  build(element) {
    this.start = make("button", { type: "button", className: "btn btn-primary btn-sm dg-start" });
    this.start.textContent = "Make digits";
    this.stop = make("button", { type: "button", className: "btn btn-outline-primary btn-sm" });
    this.stop.textContent = "Stop";
    this.stop.disabled = true;
    this.label = make("select", { name: "label" }, make("option", { value: "" }, "each in turn"));
    for (let i = 0; i < 10; i++) this.label.append(make("option", { value: i }, String(i)));
    this.scrubber = make("input", { type: "range", min: 0, max: 0, value: 0, name: "step" });
    this.scrubber.disabled = true;
    this.bar = make("progress", { value: 0, max: 1 });
    this.bar.setAttribute("aria-label", "progress");
    this.status = make("p", { className: "dg-status" });
    this.status.setAttribute("role", "status");
    this.state = make("canvas", { width: 128, height: 128 });
    this.predicted = make("canvas", { width: 128, height: 128 });
    this.state.setAttribute("role", "img");
    this.predicted.setAttribute("role", "img");
    this.state.setAttribute("aria-label", "State of the digits at this step");
    this.predicted.setAttribute("aria-label", "Digits predicted at this step");
    this.panel = make(
      "div",
      { className: "dg-panel" },
      make("style", {}, STYLE),
      make("div", { className: "dg-row" }, this.start, this.stop),
      make(
        "div",
        { className: "dg-row" },
        make("label", {}, "label ", this.label),
        this.number("count", "digits", 16, 1, 64),
        this.number("steps", "steps", 10, 1, 200),
        this.number("guidance", "guidance", 2, 0, 10, "any"),
        this.number("seed", "seed", 0, 0, 2 ** 32),
      ),
      this.bar,
      make(
        "div",
        { className: "dg-images" },
        make("figure", {}, this.state, make("figcaption", {}, "the state x_t")),
        make("figure", {}, this.predicted, make("figcaption", {}, "the image predicted from it")),
      ),
      make(
        "div",
        { className: "dg-row" },
        make("label", { className: "dg-step" }, "step ", this.scrubber),
      ),
      this.status,
    );
    element.replaceChildren(this.panel);
    for (const kind of ["pointerdown", "keydown"]) {
      this.panel.addEventListener(kind, () => this.load(), { once: true });
    }
    this.start.addEventListener("click", () => this.run());
    this.stop.addEventListener("click", () => this.worker?.postMessage({ kind: "stop" }));
    this.scrubber.addEventListener("input", () => this.show(Number(this.scrubber.value)));
    this.say("Press the button: the model runs in this page, and nothing is sent anywhere.");
  }

  say(text, isError = false) {
    this.status.textContent = text;
    this.status.classList.toggle("dg-error", isError);
  }

  /** Say what went wrong, and be ready for another try. */
  fail(message) {
    clearTimeout(this.timer);
    this.worker?.terminate();
    this.worker = null;
    this.metadata = null;
    this.finish();
    this.say(message, true);
  }

  /** The run is over, one way or another. */
  finish() {
    clearTimeout(this.timer);
    this.isRunning = false;
    this.start.disabled = false;
    this.stop.disabled = true;
    this.bar.value = 0;
  }

  /** Count a worker that is silent for too long as lost. */
  expect() {
    clearTimeout(this.timer);
    const lost = "The browser ended the computation; press the button to start it anew.";
    this.timer = setTimeout(() => this.fail(lost), PATIENCE * 1000);
  }

  /** Start the worker, and let it load runtime and model; once. */
  load() {
    if (this.worker) return;
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
      this.say("This browser has no WebAssembly or no workers, so no digits can be made.", true);
      return;
    }
    const url = (name) => new URL(this.model.get(name), document.baseURI).href;
    try {
      this.worker = new Worker(url("worker_url"), { type: "module" });
    } catch {
      this.fail("This browser lets the page start no worker, so no digits can be made.");
      return;
    }
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.fail("The worker could not be loaded or failed; press the button to try again.");
    };
    this.bar.removeAttribute("value");
    this.say("Loading the model and the runtime (18 MB, once) …");
    this.expect();
    this.worker.postMessage({
      kind: "load",
      runtime: url("runtime_url"),
      wasm: url("wasm_url"),
      model: url("model_url"),
      sha256: this.model.get("model_sha256"),
    });
  }

  run() {
    if (this.isRunning) return;
    this.load();
    if (!this.worker) return;
    this.isRunning = true;
    this.start.disabled = true;
    this.stop.disabled = false;
    this.frames = [];
    this.began = performance.now();
    this.n = Number(this.count.value);
    const label =
      this.label.value === ""
        ? Array.from({ length: this.n }, (_, i) => i % 10)
        : Number(this.label.value);
    const options = {
      n: this.n,
      label,
      steps: Number(this.steps.value),
      guidance: Number(this.guidance.value),
      seed: Number(this.seed.value),
    };
    if (this.metadata) this.say("Computing the first step …");
    this.expect();
    this.worker.postMessage({ kind: "sample", options });
  }

  receive(data) {
    this[`on_${data.kind}`](data);
  }

  on_loaded({ metadata }) {
    this.metadata = metadata;
    if (this.isRunning) {
      this.say("Computing the first step …");
      return this.expect();
    }
    clearTimeout(this.timer);
    this.bar.value = 0;
    this.say("The model is loaded.");
  }

  on_step({ i, steps, t, xt, x0, x }) {
    this.expect();
    this.frames.push({ t, xt, x0 });
    if (i === steps) this.frames.push({ t: null, xt: x, x0: x });
    this.bar.max = steps;
    this.bar.value = i;
    this.scrubber.disabled = false;
    this.scrubber.max = this.frames.length - 1;
    this.scrubber.value = this.frames.length - 1;
    this.show(this.frames.length - 1);
    this.say(`Step ${i} of ${steps}`);
  }

  on_done() {
    this.finish();
    const seconds = ((performance.now() - this.began) / 1000).toFixed(1);
    this.say(`${this.n} digits in ${seconds} s, seed ${this.seed.value}.`);
  }

  on_stopped() {
    this.finish();
    this.say(`Stopped after ${this.frames.length} steps.`);
  }

  on_error({ message }) {
    // a worker that has its model can be asked again
    if (!this.metadata) return this.fail(message);
    this.finish();
    this.say(message, true);
  }

  /** Show what there was at a step of the last run. */
  show(index) {
    const { t, xt, x0 } = this.frames[index];
    const size = this.metadata.image_size;
    draw(this.state, xt, this.n, size);
    draw(this.predicted, x0, this.n, size);
    if (!this.isRunning) this.say(t === null ? "The result." : `Step ${index + 1}, t = ${t}.`);
  }
}

export function render({ model, el }) {
  const panel = new Panel(model, el);
  return () => panel.worker?.terminate();
}

/** Put a panel into an element of a page, which names the files in its data attributes. */
export function mount(element) {
  const get = (name) =>
    element.dataset[name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())];
  render({ model: { get }, el: element });
}

export default { render };
