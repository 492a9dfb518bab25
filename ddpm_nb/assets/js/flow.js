// Points on their way from noise to two moons, the score as arrows, and a network to train here.

import { exactDenoiser, features, makeMoons, SmallNetwork, SPREAD } from "./moons.js";
import { figure, make, makeCanvas, mountWith, Panel, row } from "./page.js";
import { Axes, COLOURS } from "./plot.js";
import { makeSchedule, Normal } from "./sampler.js";

const T = 100;
const POINTS = 300;
const BATCH = 64;
const STEPS = 4000; // of training
const SLICE = 12; // milliseconds of training between two looks at the page
const WINDOW = { x: [-2.5, 2.5], y: [-2.5, 2.5] };
const LIMIT = 2; // of the data, which lies within it
const ARROWS = 15; // along each side

class Flow extends Panel {
  constructor(element) {
    super(element);
    this.schedule = makeSchedule({ schedule: "cosine", timesteps: T, cosine_s: 0.008 });
    this.centres = makeMoons();
    this.exact = exactDenoiser(this.centres);
    this.network = null;
    this.canvas = makeCanvas("Points between noise and two moons, with arrows", 128, "dg-plot");
    this.play = this.button("Play", true);
    this.train = this.button("Train a network here");
    this.arrows = make("input", { type: "checkbox", name: "arrows", checked: true });
    this.frame.append(
      row(this.play, this.train),
      row(
        this.choice("who", "predicted by", [["exact", "the exact answer"]]),
        this.number("eta", "fresh noise (eta)", 0, 0, 1, 0.1),
        this.number("seed", "seed", 0, 0, 2 ** 32),
        make("label", {}, this.arrows, " score"),
      ),
      row(this.slider("t", "steps done", [0, T, 1, 0])),
      make("div", { className: "dg-images" }, figure(this.canvas, "x_t, 300 points")),
      this.status,
    );
    this.play.addEventListener("click", () => this.toggle());
    this.train.addEventListener("click", () => this.startTraining());
    this.t.addEventListener("input", () => this.draw());
    for (const control of [this.who, this.eta, this.seed, this.arrows]) {
      control.addEventListener("input", () => this.reset());
    }
    this.reset();
  }

  /** Start again from noise. */
  reset() {
    const stream = new Normal(Number(this.seed.value) || 0);
    this.noise = () => stream.next();
    this.path = [Float64Array.from({ length: 2 * POINTS }, this.noise)];
    this.draw();
  }

  /** The clean point that is predicted from one at step `t`. */
  predict(x, y, t) {
    const [a, s] = [this.schedule.a[t], this.schedule.s[t]];
    if (this.who.value === "exact") return this.exact(x, y, a, s);
    const { out } = this.network.forward(features(x, y, t / T), 1);
    // near pure noise, a small error of the noise is a large one of the clean point
    const inside = (value) => Math.min(LIMIT, Math.max(-LIMIT, value));
    return [inside((x - s * out[0]) / a), inside((y - s * out[1]) / a)];
  }

  /** The state after `done` steps of DDIM; kept, so that the slider can go back. */
  state(done) {
    const { a, s } = this.schedule;
    const eta = Math.min(1, Math.max(0, Number(this.eta.value) || 0));
    while (this.path.length <= done) {
      const t = T - this.path.length;
      const next = t - 1;
      const sigma = ((eta * s[next]) / s[t]) * Math.sqrt(1 - (a[t] / a[next]) ** 2);
      const along = Math.sqrt(Math.max(0, s[next] ** 2 - sigma ** 2));
      const last = this.path[this.path.length - 1];
      const after = new Float64Array(last.length);
      for (let i = 0; i < last.length; i += 2) {
        const clean = this.predict(last[i], last[i + 1], t);
        for (const k of [0, 1]) {
          const eps = (last[i + k] - a[t] * clean[k]) / s[t];
          after[i + k] = a[next] * clean[k] + along * eps;
          if (sigma > 0) after[i + k] += sigma * this.noise();
        }
      }
      this.path.push(after);
    }
    return this.path[done];
  }

  draw() {
    const done = Number(this.t.value);
    const points = this.state(done);
    const title = done === T ? "the result" : `t = ${T - 1 - done}`;
    const axes = new Axes(this.canvas, 480, 480, { ...WINDOW, title });
    if (this.arrows.checked && done < T) this.drawScore(axes, T - 1 - done);
    axes.points(this.centres, COLOURS.orange, 1);
    axes.points(points, COLOURS.blue, 1.7);
    if (!this.isTraining) this.say(`${done} of ${T} steps; orange: the middle of the data.`);
  }

  /** Arrows along the score, -eps/s, each of the length that fits its cell at most. */
  drawScore(axes, t) {
    const [a, s] = [this.schedule.a[t], this.schedule.s[t]];
    const cell = (WINDOW.x[1] - WINDOW.x[0]) / ARROWS;
    for (let i = 0; i < ARROWS ** 2; i++) {
      const x = WINDOW.x[0] + (0.5 + (i % ARROWS)) * cell;
      const y = WINDOW.y[0] + (0.5 + Math.floor(i / ARROWS)) * cell;
      const clean = this.predict(x, y, t);
      const score = [(a * clean[0] - x) / s ** 2, (a * clean[1] - y) / s ** 2];
      const length = Math.hypot(...score);
      const scale = (0.8 * cell) / Math.max(length, 3);
      const tip = [x + scale * score[0], y + scale * score[1]];
      axes.segment([x, y], tip, "#bbbbbb");
      axes.points(tip, "#999999", 1);
    }
  }

  toggle() {
    this.isPlaying = !this.isPlaying;
    this.play.textContent = this.isPlaying ? "Pause" : "Play";
    if (!this.isPlaying) return;
    if (Number(this.t.value) >= T) this.t.value = 0;
    this.tick();
  }

  tick() {
    if (!this.isPlaying) return;
    this.t.value = Number(this.t.value) + 1;
    this.draw();
    if (Number(this.t.value) >= T) return this.toggle();
    requestAnimationFrame(() => setTimeout(() => this.tick(), 40));
  }

  startTraining() {
    if (this.isTraining) return;
    this.isTraining = true;
    this.train.disabled = true;
    this.network = new SmallNetwork(Number(this.seed.value) || 0);
    this.random = new Normal(1);
    this.loss = null;
    this.trainSlice();
  }

  /** Train for some milliseconds, then let the page live. */
  trainSlice() {
    const { a, s } = this.schedule;
    const end = performance.now() + SLICE;
    while (performance.now() < end && this.network.steps < STEPS) {
      const [inputs, target] = [[], []];
      for (let i = 0; i < BATCH; i++) {
        const at = 2 * (this.random.word() % (this.centres.length / 2));
        const t = this.random.word() % T;
        const eps = [this.random.next(), this.random.next()];
        const [x, y] = [0, 1].map((k) => {
          const clean = this.centres[at + k] + SPREAD * this.random.next();
          return a[t] * clean + s[t] * eps[k];
        });
        inputs.push(...features(x, y, t / T));
        target.push(...eps);
      }
      const rate = 4e-3 * (1 - this.network.steps / STEPS);
      const [x, eps] = [Float64Array.from(inputs), Float64Array.from(target)];
      const loss = this.network.step(x, eps, BATCH, rate);
      this.loss = this.loss === null ? loss : 0.99 * this.loss + 0.01 * loss;
    }
    const { steps } = this.network;
    this.say(`Training: step ${steps} of ${STEPS}, loss ${this.loss.toFixed(3)}.`);
    if (steps < STEPS) return setTimeout(() => this.trainSlice());
    this.endTraining();
  }

  endTraining() {
    this.isTraining = false;
    this.train.disabled = false;
    this.train.textContent = "Train another";
    if (this.who.options.length === 1) {
      this.who.append(make("option", { value: "network" }, "the network trained here"));
    }
    this.who.value = "network";
    this.reset();
    this.say(
      `Trained, loss ${this.loss.toFixed(3)}; the arrows are the network's now. Press Play.`,
    );
  }
}

export function render({ el }) {
  new Flow(el);
}

export const mount = mountWith(render);
export default { render };
