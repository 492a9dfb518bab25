// A noise schedule to look at: its curves, and a digit noised to a step of it.

import { loadExamples } from "./examples.js";
import { drawImages, figure, make, makeCanvas, mountWith, Panel, row } from "./page.js";
import { Axes, COLOURS } from "./plot.js";
import { makeSchedule, Normal } from "./sampler.js";

const SIZE = 32;
const KINDS = ["cosine", "linear", "sigmoid", "flow"].map((kind) => [kind, kind]);
const DEFAULTS = {
  beta_start: 1e-4,
  beta_end: 0.02,
  sigmoid_start: -3,
  sigmoid_end: 3,
  sigmoid_tau: 1,
};

class Schedule extends Panel {
  constructor(element, model) {
    super(element);
    this.model = model;
    this.levels = makeCanvas("Signal and noise of each step", 128, "dg-plot");
    this.ratio = makeCanvas("Logarithm of the signal-to-noise ratio", 128, "dg-plot");
    this.noisy = makeCanvas("The digit, noised to the chosen step");
    this.zero = make("input", { type: "checkbox", name: "zero" });
    const digits = Array.from({ length: 10 }, (_, i) => [i, String(i)]);
    this.frame.append(
      row(
        this.choice("kind", "schedule", KINDS),
        this.slider("T", "steps T", [10, 2000, 10, 1000]),
        this.slider("offset", "offset s", [0, 0.2, 0.004, 0.008]),
        make("label", {}, this.zero, " zero terminal SNR"),
      ),
      row(this.choice("digit", "digit", digits), this.slider("t", "t", [0, 999, 1, 250])),
      make(
        "div",
        { className: "dg-images" },
        figure(this.levels, "what is kept of the image, and the noise"),
        figure(this.ratio, "signal-to-noise ratio"),
        figure(this.noisy, "x_t"),
      ),
      this.status,
    );
    for (const control of [this.kind, this.T, this.offset, this.zero, this.digit, this.t]) {
      control.addEventListener("input", () => this.draw());
    }
    this.say("Choose a schedule and a step.");
    this.drawCurves();
    // the digit is loaded when the panel is touched
  }

  /** The schedule that the controls describe, and the step within it. */
  read() {
    const T = Number(this.T.value);
    this.t.max = T - 1;
    this.offset.disabled = this.kind.value !== "cosine";
    this.zero.disabled = this.kind.value === "flow"; // its path ends in noise anyway
    const config = {
      ...DEFAULTS,
      schedule: this.kind.value,
      timesteps: T,
      cosine_s: Number(this.offset.value),
      zero_terminal_snr: this.zero.checked,
    };
    return { ...makeSchedule(config), t: Number(this.t.value) };
  }

  drawCurves() {
    const { T, a, s, t } = this.read();
    const levels = new Axes(this.levels, 320, 220, { x: [0, T], y: [0, 1], title: "by step t" });
    levels.line(a.slice(), COLOURS.blue, "signal");
    levels.line(s.slice(), COLOURS.orange, "noise");
    levels.upright(t, COLOURS.grey);
    const range = { x: [0, T], y: [-8, 8], title: "log SNR (natural)" };
    const ratio = new Axes(this.ratio, 320, 220, range);
    ratio.line(
      a.map((value, i) => 2 * Math.log(Math.max(1e-9, value) / s[i])),
      COLOURS.green,
    );
    ratio.upright(t, COLOURS.grey);
    return { a: a[t], s: s[t], t, T };
  }

  async draw() {
    const { a, s, t, T } = this.drawCurves();
    try {
      this.examples ??= await loadExamples(this.model);
    } catch {
      return this.say("The example digits could not be loaded; is the network there?", true);
    }
    const stream = new Normal(0);
    const image = this.examples[Number(this.digit.value)];
    const noisy = image.map((value) => a * value + s * stream.next());
    drawImages(this.noisy, noisy, 1, SIZE);
    const snr = ((a / s) ** 2).toPrecision(3);
    this.say(`t = ${t} of ${T}: ${(100 * a).toFixed(0)} % of the contrast is left, SNR ${snr}.`);
  }
}

export function render({ model, el }) {
  new Schedule(el, model);
}

export const mount = mountWith(render);
export default { render };
