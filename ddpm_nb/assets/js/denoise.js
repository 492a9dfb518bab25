// One look of the network at a noisy digit: a slider for t, and what it takes the noise for.

import { engineOf } from "./engine.js";
import { loadExamples } from "./examples.js";
import { ComputingPanel, drawImages, figure, make, makeCanvas, mountWith, row } from "./page.js";

const SIZE = 32;

class Denoise extends ComputingPanel {
  constructor(element, engine, model) {
    super(element, engine, "Predict");
    this.model = model;
    this.wanted = null; // what was asked for while another answer is being computed
    this.clean = makeCanvas("The clean digit");
    this.noisy = makeCanvas("The digit with noise");
    this.guess = makeCanvas("The digit that the network predicts");
    const digits = Array.from({ length: 10 }, (_, i) => [i, String(i)]);
    this.frame.append(
      row(this.start),
      row(
        this.choice("digit", "digit", digits),
        this.choice("told", "the network is told", [
          ["", "nothing"],
          ["right", "the right label"],
          ["wrong", "a wrong label"],
        ]),
        this.number("seed", "seed", 0, 0, 2 ** 32),
      ),
      row(this.slider("t", "t", [0, 999, 1, 400])),
      this.bar,
      make(
        "div",
        { className: "dg-images" },
        figure(this.clean, "clean, x_0"),
        figure(this.noisy, "noisy, x_t"),
        figure(this.guess, "predicted from x_t"),
      ),
      this.status,
    );
    for (const control of [this.digit, this.told, this.seed, this.t]) {
      control.addEventListener("input", () => this.run());
    }
    this.say("Move the slider: how much noise can there be until the network sees another digit?");
  }

  async run() {
    try {
      this.images ??= await loadExamples(this.model);
    } catch {
      return this.fail("The example digits could not be loaded; is the network there?");
    }
    const digit = Number(this.digit.value);
    const label = { "": null, right: digit, wrong: (digit + 5) % 10 }[this.told.value];
    const t = Number(this.t.value);
    const options = { image: this.images[digit], t, label, seed: Number(this.seed.value) };
    if (this.isRunning) this.wanted = options;
    else this.ask("denoise", options);
  }

  on_step({ t, xt, x0 }) {
    const digit = this.images[Number(this.digit.value)];
    drawImages(this.clean, digit, 1, SIZE);
    drawImages(this.noisy, xt, 1, SIZE);
    drawImages(this.guess, x0, 1, SIZE);
    let error = 0;
    for (let i = 0; i < x0.length; i++) error += (x0[i] - digit[i]) ** 2;
    const mean = (error / x0.length).toFixed(3);
    this.words = `t = ${t}: mean squared error of the prediction ${mean}.`;
  }

  on_done() {
    this.finish();
    this.say(this.words);
    const next = this.wanted;
    this.wanted = null;
    if (next) this.ask("denoise", next);
  }
}

export function render({ model, el }) {
  new Denoise(el, engineOf(model), model);
}

export const mount = mountWith(render);
export default { render };
