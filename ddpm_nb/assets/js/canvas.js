// A canvas to draw on with mouse, pen or finger: the front end of ddpm_nb.app.panels_editor.
//
// Traits of the model: `size`, cells per side; `ink` and `hole`, one byte a cell, row by row;
// `tool`, 'pen', 'hole' or 'eraser'. What is drawn is sent when the pointer is lifted.

const SCALE = 8; // pixels of the screen per cell
const RADIUS = { pen: 1.4, hole: 3, eraser: 3 }; // of each tool, in cells
const HOLE_COLOUR = [0, 114, 178, 255];

/** A trait's bytes as an array that can be written to; values are rounded and clamped. */
function readCells(model, name) {
  const view = model.get(name);
  return new Uint8ClampedArray(view.buffer, view.byteOffset, view.byteLength).slice();
}

/** The element that is drawn on, empty. */
function makeCanvas(size) {
  const canvas = document.createElement("canvas");
  canvas.width = size * SCALE;
  canvas.height = size * SCALE;
  canvas.className = "pg-canvas";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Canvas: draw a digit here");
  Object.assign(canvas.style, {
    touchAction: "none",
    cursor: "crosshair",
    border: "1px solid #888",
    maxWidth: "100%",
    background: "#000",
  });
  return canvas;
}

/** How much of a cell a round tool covers: 1 inside, 0 outside, between them at its edge. */
function coverage(radius, distance) {
  return Math.max(0, Math.min(1, radius + 0.5 - distance));
}

export class Drawing {
  constructor(model, element) {
    this.model = model;
    this.size = model.get("size");
    this.canvas = makeCanvas(this.size);
    this.cells = document.createElement("canvas"); // one pixel a cell, not shown
    this.cells.width = this.size;
    this.cells.height = this.size;
    this.last = null; // where the pointer was, in cells; null while it is up
    element.appendChild(this.canvas);
    this.canvas.addEventListener("pointerdown", (event) => this.start(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", () => this.finish());
    this.canvas.addEventListener("pointercancel", () => this.finish());
    this.read();
    this.choose();
  }

  /** Take the tool that the model names; the page can see which it is. */
  choose() {
    this.tool = this.model.get("tool");
    this.canvas.dataset.tool = this.tool;
  }

  /** Take over what the model holds. */
  read() {
    this.ink = readCells(this.model, "ink");
    this.hole = readCells(this.model, "hole");
    this.draw();
  }

  /** Show ink in grey and the hole in blue. */
  draw() {
    const image = new ImageData(this.size, this.size);
    for (let i = 0; i < this.ink.length; i++) {
      const grey = this.ink[i];
      const colour = this.hole[i] > 127 ? HOLE_COLOUR : [grey, grey, grey, 255];
      image.data.set(colour, 4 * i);
    }
    this.cells.getContext("2d").putImageData(image, 0, 0);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(this.cells, 0, 0, this.canvas.width, this.canvas.height);
  }

  /** Put the tool down once, at a place given in cells. */
  stamp([x, y]) {
    const radius = RADIUS[this.tool];
    const from = (centre) => Math.max(0, Math.floor(centre - radius - 1));
    const to = (centre) => Math.min(this.size, centre + radius + 1);
    for (let row = from(y); row < to(y); row++) {
      for (let column = from(x); column < to(x); column++) {
        const distance = Math.hypot(column + 0.5 - x, row + 0.5 - y);
        this.colour(row * this.size + column, coverage(radius, distance));
      }
    }
  }

  /** What the tool does to one cell of which it covers a part. */
  colour(cell, covered) {
    if (this.tool === "pen") {
      this.ink[cell] = Math.max(this.ink[cell], 255 * covered);
    } else if (covered > 0.5) {
      this.hole[cell] = this.tool === "hole" ? 255 : 0;
      if (this.tool === "eraser") this.ink[cell] = 0;
    }
  }

  /** Where the pointer is, in cells. */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.size;
    const y = ((event.clientY - box.top) / box.height) * this.size;
    return [x, y];
  }

  start(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.place(event);
    this.stamp(this.last);
    this.draw();
    event.preventDefault();
  }

  /** A line from the last place to this one, stamped twice a cell. */
  move(event) {
    if (!this.last) return;
    const [x0, y0] = this.last;
    const [x1, y1] = this.place(event);
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(x1 - x0, y1 - y0)));
    for (let i = 1; i <= steps; i++) {
      const part = i / steps;
      this.stamp([x0 + (x1 - x0) * part, y0 + (y1 - y0) * part]);
    }
    this.last = [x1, y1];
    this.draw();
  }

  /** Send what was drawn to Python. */
  finish() {
    if (!this.last) return;
    this.last = null;
    // copies, which later strokes do not change; both first, as `set` calls `read`
    const [ink, hole] = [this.ink.slice(), this.hole.slice()];
    this.model.set("ink", new DataView(ink.buffer));
    this.model.set("hole", new DataView(hole.buffer));
    this.model.save_changes();
  }
}

function render({ model, el }) {
  const drawing = new Drawing(model, el);
  model.on("change:ink", () => drawing.read());
  model.on("change:hole", () => drawing.read());
  model.on("change:tool", () => drawing.choose());
}

export default { render };
