// What the panels have in common: elements, images on a canvas, controls, a sentence.

const GREY = 127.5; // of a pixel from -1 to 1, to 0 to 255

const STYLE = `
.dg-panel { border: 1px solid #8888; border-radius: 6px; padding: .8rem; margin: 1rem 0; }
.dg-row { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center; margin: .3rem 0; }
.dg-row label { display: inline-flex; gap: .35rem; align-items: center; font-size: .85rem; }
.dg-row input[type=number] { width: 5.2rem; }
.dg-images { display: flex; flex-wrap: wrap; gap: .8rem; }
.dg-images figure { flex: 1 1 130px; max-width: 320px; margin: 0; }
.dg-images canvas { width: 100%; image-rendering: pixelated; background: #000; display: block; }
.dg-images figure:has(.dg-plot) { flex-basis: 260px; max-width: 480px; }
.dg-images canvas.dg-plot { image-rendering: auto; background: #fff; }
.dg-images figcaption { font-size: .8rem; }
.dg-step { flex: 1 1 160px; }
.dg-step input { flex: 1; min-width: 100px; }
.dg-panel progress { width: 100%; height: .6rem; }
.dg-status { min-height: 1.5em; margin: .3rem 0 0; }
.dg-error { color: #b00020; }
.quarto-dark .dg-error { color: #ff8a80; }
`;

/** An element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A canvas that stands for a picture, described in words. */
export function makeCanvas(description, size = 128, className = "") {
  const canvas = make("canvas", { width: size, height: size, className });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", description);
  return canvas;
}

/** Draw images `(n, size, size)` in [-1,1] as a grid, a pixel a pixel. */
export function drawImages(canvas, images, n, size) {
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

/** A picture with a line below it. */
export function figure(canvas, caption) {
  return make("figure", {}, canvas, make("figcaption", {}, caption));
}

/** A row of controls. */
export function row(...children) {
  return make("div", { className: "dg-row" }, ...children);
}

/** Controls and pictures in a frame, with a sentence below that screen readers say. */
export class Panel {
  constructor(element) {
    this.status = make("p", { className: "dg-status" });
    this.status.setAttribute("role", "status");
    this.frame = make("div", { className: "dg-panel" }, make("style", {}, STYLE));
    element.replaceChildren(this.frame);
  }

  button(text, isMain = false) {
    const look = isMain ? "btn-primary dg-start" : "btn-outline-primary";
    return make("button", { type: "button", className: `btn btn-sm ${look}` }, text);
  }

  /** A field for a number, kept as `this[name]`. */
  number(name, text, value, min, max, step = 1) {
    this[name] = make("input", { type: "number", name, value, min, max, step });
    return make("label", {}, `${text} `, this[name]);
  }

  /** A slider, kept as `this[name]`; `values` are min, max, step and value. */
  slider(name, text, [min, max, step, value]) {
    // the value last: the range would cut it
    this[name] = Object.assign(make("input", { type: "range", name }), { min, max, step });
    this[name].value = value;
    return make("label", { className: "dg-step" }, `${text} `, this[name]);
  }

  /** A list of `[value, text]`, kept as `this[name]`. */
  choice(name, text, options) {
    const items = options.map(([value, words]) => make("option", { value }, words));
    this[name] = make("select", { name }, ...items);
    return make("label", {}, `${text} `, this[name]);
  }

  say(text, isError = false) {
    this.status.textContent = text;
    this.status.classList.toggle("dg-error", isError);
  }
}

/** A panel that has an engine compute: buttons to start and stop, a bar, errors as a sentence. */
export class ComputingPanel extends Panel {
  constructor(element, engine, startText) {
    super(element);
    this.engine = engine;
    this.isRunning = false;
    this.start = this.button(startText, true);
    this.stop = this.button("Stop");
    this.stop.disabled = true;
    this.bar = make("progress", { value: 0, max: 1 });
    this.bar.setAttribute("aria-label", "progress");
    for (const kind of ["pointerdown", "keydown"]) {
      this.frame.addEventListener(kind, () => this.engine.load(this), { once: true });
    }
    this.start.addEventListener("click", () => this.run());
    this.stop.addEventListener("click", () => this.engine.stop());
  }

  get metadata() {
    return this.engine.metadata;
  }

  /** Have the engine compute; whether it does. */
  ask(task, options) {
    if (this.isRunning) return false;
    this.isRunning = true;
    this.start.disabled = true;
    this.stop.disabled = false;
    this.began = performance.now();
    if (this.metadata) this.say("Computing the first step …");
    if (this.engine.run(this, task, options)) return true;
    this.finish();
    return false;
  }

  /** The run is over, one way or another. */
  finish() {
    this.isRunning = false;
    this.start.disabled = false;
    this.stop.disabled = true;
    this.bar.value = 0;
  }

  /** Say what went wrong, and be ready for another try. */
  fail(message) {
    this.finish();
    this.say(message, true);
  }

  receive(data) {
    this[`on_${data.kind}`](data);
  }

  on_busy() {
    this.say("Another panel of this page is computing; stop it first.");
  }

  on_loading() {
    this.bar.removeAttribute("value");
    this.say("Loading the model and the runtime (18 MB, once) …");
  }

  on_loaded({ backend }) {
    this.bar.value = 0;
    const where = backend === "webgpu" ? ", and computes on the graphics processor" : "";
    this.say(this.isRunning ? "Computing the first step …" : `The model is loaded${where}.`);
  }

  on_stopped() {
    this.finish();
    this.say("Stopped.");
  }

  on_error({ message }) {
    this.fail(message);
  }
}

/** Put a panel into an element of a page, which names the files in its data attributes. */
export function mountWith(render) {
  return (element) => {
    const get = (name) =>
      element.dataset[name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())];
    return render({ model: { get }, el: element });
  };
}
