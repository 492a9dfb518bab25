// Two moons in two dimensions: the data, their exact denoiser, and a small network that learns it.

import { Normal } from "./sampler.js";

export const SPREAD = 0.06; // standard deviation of the data around the two arcs
const PER_MOON = 48; // points along each arc

/** Centres of the data, `[x, y, x, y, …]`, around the origin, with about unit variance. */
export function makeMoons() {
  const centres = [];
  for (let i = 0; i < PER_MOON; i++) {
    const angle = (Math.PI * i) / (PER_MOON - 1);
    const [x, y] = [Math.cos(angle), Math.sin(angle)];
    centres.push(1.2 * (x - 0.5), 1.2 * (y - 0.25), 1.2 * (0.5 - x), 1.2 * (0.25 - y));
  }
  return Float64Array.from(centres);
}

/** E[x0 | xt] for the mixture of normals around the centres: exact, as chapter 4 derives it. */
export function exactDenoiser(centres) {
  const count = centres.length / 2;
  const weights = new Float64Array(count);
  return (x, y, a, s) => {
    const variance = s ** 2 + (a * SPREAD) ** 2;
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const distance = (x - a * centres[2 * i]) ** 2 + (y - a * centres[2 * i + 1]) ** 2;
      weights[i] = -distance / (2 * variance);
      largest = Math.max(largest, weights[i]);
    }
    let [total, meanX, meanY] = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const weight = Math.exp(weights[i] - largest);
      total += weight;
      meanX += weight * centres[2 * i];
      meanY += weight * centres[2 * i + 1];
    }
    [meanX, meanY] = [meanX / total, meanY / total];
    const gain = (a * SPREAD ** 2) / variance; // how much of x - a mu belongs to the clean point
    return [meanX + gain * (x - a * meanX), meanY + gain * (y - a * meanY)];
  };
}

const FEATURES = 10; // x, y and eight waves of the time
const HIDDEN = 64;

/** What the network is given: the point, and sines and cosines of u = t/T. */
export function features(x, y, u) {
  const found = [x, y];
  for (let k = 0; k < 4; k++) {
    const angle = (2 ** k * Math.PI * u) / 2;
    found.push(Math.sin(angle), Math.cos(angle));
  }
  return found;
}

const sigmoid = (z) => 1 / (1 + Math.exp(-z));

/** A network 10-64-64-2 with SiLU that predicts the noise, trained by Adam. */
export class SmallNetwork {
  constructor(seed = 0) {
    const stream = new Normal(seed, 7);
    const matrix = (rows, columns, scale) =>
      Float64Array.from({ length: rows * columns }, () => scale * stream.next());
    // weights `(inputs, outputs)`, then biases
    this.parameters = [
      matrix(FEATURES, HIDDEN, 1 / Math.sqrt(FEATURES)),
      new Float64Array(HIDDEN),
      matrix(HIDDEN, HIDDEN, 1 / Math.sqrt(HIDDEN)),
      new Float64Array(HIDDEN),
      new Float64Array(HIDDEN * 2),
      new Float64Array(2),
    ];
    this.moments = this.parameters.map((p) => [
      new Float64Array(p.length),
      new Float64Array(p.length),
    ]);
    this.steps = 0;
  }

  /** One layer: `(n, inputs)` to `(n, outputs)`. */
  layer(x, n, weight, bias) {
    const outputs = bias.length;
    const inputs = weight.length / outputs;
    const out = new Float64Array(n * outputs);
    for (let b = 0; b < n; b++) {
      for (let o = 0; o < outputs; o++) out[b * outputs + o] = bias[o];
      for (let i = 0; i < inputs; i++) {
        const value = x[b * inputs + i];
        for (let o = 0; o < outputs; o++) out[b * outputs + o] += value * weight[i * outputs + o];
      }
    }
    return out;
  }

  /** The values of all layers for inputs `(n, 10)`; the last is the predicted noise `(n, 2)`. */
  forward(x, n) {
    const [w1, b1, w2, b2, w3, b3] = this.parameters;
    const z1 = this.layer(x, n, w1, b1);
    const h1 = z1.map((z) => z * sigmoid(z));
    const z2 = this.layer(h1, n, w2, b2);
    const h2 = z2.map((z) => z * sigmoid(z));
    return { x, z1, h1, z2, h2, out: this.layer(h2, n, w3, b3) };
  }

  /** Mean squared error and its gradient by each parameter, by hand. */
  gradient(x, target, n) {
    const { z1, h1, z2, h2, out } = this.forward(x, n);
    const error = out.map((value, i) => value - target[i]);
    const loss = error.reduce((sum, value) => sum + value ** 2, 0) / error.length;
    const slopes = new Array(6);
    let up = error.map((value) => (2 * value) / error.length);
    for (const [at, input, z] of [
      [4, h2, z2],
      [2, h1, z1],
      [0, x, null],
    ]) {
      [slopes[at], slopes[at + 1], up] = this.backward(input, up, n, this.parameters[at]);
      if (z) {
        up = up.map((value, i) => {
          const gate = sigmoid(z[i]);
          return value * gate * (1 + z[i] * (1 - gate));
        });
      }
    }
    return { loss, slopes };
  }

  /** Gradients of one layer: by its weights, its biases and its input. */
  backward(input, up, n, weight) {
    const outputs = up.length / n;
    const inputs = input.length / n;
    const [byWeight, byBias] = [new Float64Array(weight.length), new Float64Array(outputs)];
    const byInput = new Float64Array(input.length);
    for (let b = 0; b < n; b++) {
      for (let o = 0; o < outputs; o++) byBias[o] += up[b * outputs + o];
      for (let i = 0; i < inputs; i++) {
        const value = input[b * inputs + i];
        let sum = 0;
        for (let o = 0; o < outputs; o++) {
          const slope = up[b * outputs + o];
          byWeight[i * outputs + o] += value * slope;
          sum += slope * weight[i * outputs + o];
        }
        byInput[b * inputs + i] = sum;
      }
    }
    return [byWeight, byBias, byInput];
  }

  /** One step of Adam (Kingma & Ba 2015); the loss before it. */
  step(x, target, n, rate = 3e-3) {
    const { loss, slopes } = this.gradient(x, target, n);
    this.steps++;
    const [c1, c2] = [1 - 0.9 ** this.steps, 1 - 0.999 ** this.steps];
    this.parameters.forEach((values, k) => {
      const [first, second] = this.moments[k];
      for (let i = 0; i < values.length; i++) {
        first[i] = 0.9 * first[i] + 0.1 * slopes[k][i];
        second[i] = 0.999 * second[i] + 0.001 * slopes[k][i] ** 2;
        values[i] -= (rate * (first[i] / c1)) / (Math.sqrt(second[i] / c2) + 1e-8);
      }
    });
    return loss;
  }
}
