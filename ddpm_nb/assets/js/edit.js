// Draw a digit, and let the network vary it (SDEdit) or fill a hole in it (RePaint).

import { Drawing } from "./canvas.js";
import { engineOf } from "./engine.js";
import { loadExamples } from "./examples.js";
import { ComputingPanel, drawImages, figure, make, makeCanvas, mountWith, row } from "./page.js";

const SIZE = 32;
const CLASSES = Array.from({ length: 10 }, (_, i) => [i, String(i)]);
const TOOLS = ["pen", "hole", "eraser"].map((tool) => [tool, tool]);

/** What `Drawing` reads and writes, without a kernel. */
class Cells {
  constructor() {
    this.values = { size: SIZE, tool: "pen" };
    this.listeners = {};
    this.clear();
  }

  clear() {
    this.set("ink", new DataView(new ArrayBuffer(SIZE ** 2)));
    this.set("hole", new DataView(new ArrayBuffer(SIZE ** 2)));
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    this.values[name] = value;
    this.listeners[`change:${name}`]?.();
  }

  on(event, listener) {
    this.listeners[event] = listener;
  }

  save_changes() {}

  bytes(name) {
    return new Uint8Array(this.values[name].buffer);
  }
}

class Edit extends ComputingPanel {
  constructor(element, engine, model) {
    super(element, engine, "Vary it");
    this.model = model;
    this.cells = new Cells();
    this.results = makeCanvas("Four digits made from the drawing");
    const place = make("div");
    this.fill = this.button("Fill the hole", true);
    const clear = this.button("Clear");
    const take = this.button("Take a digit of the test set");
    this.frame.append(
      row(this.choice("tool", "tool", TOOLS), clear, this.choice("digit", "digit", CLASSES), take),
      row(this.slider("strength", "strength", [0.05, 1, 0.05, 0.5])),
      row(
        this.choice("label", "label", [["", "none"], ...CLASSES]),
        this.number("steps", "steps", 12, 1, 100),
        this.number("seed", "seed", 0, 0, 2 ** 32),
      ),
      row(this.start, this.fill, this.stop),
      this.bar,
      make(
        "div",
        { className: "dg-images" },
        figure(place, "draw here; the hole is blue"),
        figure(this.results, "four answers"),
      ),
      this.status,
    );
    const drawing = new Drawing(this.cells, place);
    this.cells.on("change:ink", () => drawing.read());
    this.cells.on("change:hole", () => drawing.read());
    this.cells.on("change:tool", () => drawing.choose());
    this.tool.addEventListener("input", () => this.cells.set("tool", this.tool.value));
    clear.addEventListener("click", () => this.cells.clear());
    take.addEventListener("click", () => this.take());
    this.fill.addEventListener("click", () => this.run("inpaint"));
    this.say("Draw a digit, or take one and make a hole in it; then press a button.");
  }

  async take() {
    try {
      this.images ??= await loadExamples(this.model);
    } catch {
      return this.fail("The example digits could not be loaded; is the network there?");
    }
    this.cells.clear();
    const ink = Uint8Array.from(
      this.images[Number(this.digit.value)],
      (value) => (value + 1) * 127.5,
    );
    this.cells.set("ink", new DataView(ink.buffer));
  }

  run(task = "edit") {
    if (this.isRunning) return;
    const ink = this.cells.bytes("ink");
    const hole = this.cells.bytes("hole");
    const hasHole = hole.some((value) => value > 127);
    if (task === "inpaint" && !hasHole)
      return this.say("There is no hole; choose that tool.", true);
    if (!hasHole && !ink.some((value) => value > 0)) return this.say("Draw something first.", true);
    this.n = 4;
    this.task = task;
    this.fill.disabled = true;
    this.ask(task, {
      n: this.n,
      image: Float32Array.from(ink, (value) => value / 127.5 - 1),
      known: Float32Array.from(hole, (value) => (value > 127 ? 0 : 1)),
      strength: Number(this.strength.value),
      steps: Number(this.steps.value),
      label: this.label.value === "" ? null : Number(this.label.value),
      seed: Number(this.seed.value),
    });
  }

  finish() {
    super.finish();
    this.fill.disabled = false;
  }

  on_step({ i, steps, x0, x }) {
    this.bar.max = steps;
    this.bar.value = i;
    drawImages(this.results, i === steps ? x : x0, this.n, SIZE);
    this.say(`Step ${i} of ${steps}`);
  }

  on_done() {
    this.finish();
    const how = this.task === "edit" ? "Varied" : "Filled";
    this.say(`${how} four times, seed ${this.seed.value}.`);
  }
}

export function render({ model, el }) {
  new Edit(el, engineOf(model), model);
}

export const mount = mountWith(render);
export default { render };
