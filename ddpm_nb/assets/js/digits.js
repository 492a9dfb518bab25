// Digits out of noise: an anywidget module that also runs in a page, without a kernel.
//
// See panels in ddpm_nb.app.panels_live for what its model holds. `mount(element)` takes the same
// from an element's data attributes, as in the pages of the site. Nothing is loaded until the
// panel is touched.

import { engineOf } from "./engine.js";
import { ComputingPanel, drawImages, figure, makeCanvas, mountWith, row } from "./page.js";

const CLASSES = Array.from({ length: 10 }, (_, i) => [i, String(i)]);

class Digits extends ComputingPanel {
  constructor(element, engine) {
    super(element, engine, "Make digits");
    this.frames = []; // of the last run: {t, xt, x0}, and the end
    this.state = makeCanvas("State of the digits at this step");
    this.predicted = makeCanvas("Digits predicted at this step");
    this.frame.append(
      row(this.start, this.stop),
      row(
        this.choice("label", "label", [["", "each in turn"], ...CLASSES]),
        this.number("count", "digits", 16, 1, 64),
        this.number("steps", "steps", 10, 1, 200),
        this.number("guidance", "guidance", 2, 0, 10, "any"),
        this.number("seed", "seed", 0, 0, 2 ** 32),
      ),
      row(
        this.choice("method", "method", [
          ["dpmpp_2m", "DPM-Solver++(2M)"],
          ["ddim", "DDIM"],
        ]),
        this.number("eta", "fresh noise (eta)", 0, 0, 1, "any"),
      ),
      this.bar,
      this.images(),
      row(this.slider("step", "step", [0, 0, 1, 0])),
      this.status,
    );
    this.step.disabled = true;
    this.step.addEventListener("input", () => this.show(Number(this.step.value)));
    this.say(`Press the button: the model runs ${engine.place}.`);
  }

  images() {
    const images = document.createElement("div");
    images.className = "dg-images";
    images.append(
      figure(this.state, "the state x_t"),
      figure(this.predicted, "the image predicted from it"),
    );
    return images;
  }

  run() {
    if (this.isRunning) return;
    this.frames = [];
    this.n = Number(this.count.value);
    const turns = Array.from({ length: this.n }, (_, i) => i % 10);
    this.ask("sample", {
      n: this.n,
      label: this.label.value === "" ? turns : Number(this.label.value),
      method: this.method.value,
      eta: Number(this.eta.value),
      steps: Number(this.steps.value),
      guidance: Number(this.guidance.value),
      seed: Number(this.seed.value),
    });
  }

  on_step({ i, steps, t, xt, x0, x }) {
    this.frames.push({ t, xt, x0 });
    if (i === steps) this.frames.push({ t: null, xt: x, x0: x });
    this.bar.max = steps;
    this.bar.value = i;
    const last = this.frames.length - 1;
    this.step.disabled = false;
    this.step.max = last;
    this.step.value = last;
    this.show(last);
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

  /** Show what there was at a step of the last run. */
  show(index) {
    const { t, xt, x0 } = this.frames[index];
    const size = this.metadata.image_size;
    drawImages(this.state, xt, this.n, size);
    drawImages(this.predicted, x0, this.n, size);
    if (!this.isRunning) this.say(t === null ? "The result." : `Step ${index + 1}, t = ${t}.`);
  }
}

export function render({ model, el }) {
  new Digits(el, engineOf(model));
}

export const mount = mountWith(render);
export default { render };
