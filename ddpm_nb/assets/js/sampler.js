// Samplers for a model in an ONNX file by ddpm_nb: DDIM and DPM-Solver++(2M), without Python.
//
// No dependencies; runs in browsers, in workers and in Node. The network is a function that the
// caller brings, such as `onnxNetwork(ort, session, metadata)` for onnxruntime. Given the same x_T,
// the images equal those of `DDPMSampler` in Python, to rounding; chapters 6 and 9 explain them.
// The random numbers are others than PyTorch's: see `Normal`.

/** What a caller can mend: its message is a sentence for a person. */
export class SamplerError extends Error {}

export function require(ok, message) {
  if (!ok) throw new SamplerError(message);
}

// ---- the words beside the graph

/** A number in protobuf's variable length, and where the next byte is. */
function readVarint(bytes, at) {
  let value = 0;
  let factor = 1;
  for (;;) {
    require(at < bytes.length && factor < 2 ** 50, "The model file is damaged.");
    const byte = bytes[at++];
    value += (byte & 127) * factor;
    if (byte < 128) return [value, at];
    factor *= 128;
  }
}

/** The fields of a protobuf message: [number, bytes of it, or a number]. */
function* readFields(bytes) {
  let at = 0;
  while (at < bytes.length) {
    let key;
    [key, at] = readVarint(bytes, at);
    const number = Math.floor(key / 8);
    const kind = key % 8;
    let length = { 1: 8, 5: 4 }[kind];
    if (kind === 0) {
      let value;
      [value, at] = readVarint(bytes, at);
      yield [number, value];
      continue;
    }
    if (kind === 2) [length, at] = readVarint(bytes, at);
    require(length !== undefined && at + length <= bytes.length, "The model file is damaged.");
    yield [number, bytes.subarray(at, at + length)];
    at += length;
  }
}

const METADATA_FIELD = 14; // of ONNX's ModelProto: pairs of strings
const FORMAT_VERSION = 2; // the newest that this file understands

/** What `to_onnx` wrote beside the graph: schedules, parameterization, image_size, … */
export function readMetadata(
  bytes, // Uint8Array, the whole ONNX file
) {
  const text = new TextDecoder();
  const words = {};
  for (const [number, pair] of readFields(bytes)) {
    if (number !== METADATA_FIELD) continue;
    const { 1: key, 2: value } = Object.fromEntries(readFields(pair));
    words[text.decode(key)] = text.decode(value);
  }
  require(words.format === "ddpm_nb", "The model file was not written by ddpm_nb.");
  delete words.format;
  const metadata = {};
  for (const [key, value] of Object.entries(words)) metadata[key] = JSON.parse(value);
  require(metadata.format_version <= FORMAT_VERSION, "The model file is of a newer ddpm_nb.");
  return metadata;
}

/** Height and width of the images; squares have one number for both. */
export function imageSides({ image_size: size }) {
  return Array.isArray(size) ? size : [size, size];
}

/** How many numbers an image has. */
export function imageLength(metadata) {
  const [height, width] = imageSides(metadata);
  return metadata.channels * height * width;
}

// ---- the schedule

/** The betas whose running product of 1 - beta follows `abar`, a function of u in [0,1]. */
function betasFromAbar(abar, T) {
  const at = Array.from({ length: T + 1 }, (_, i) => abar(i / T));
  return Array.from({ length: T }, (_, i) => Math.min(0.999, Math.max(0, 1 - at[i + 1] / at[i])));
}

/** alpha-bar of each step, the running product of 1 - beta. */
function runningProduct(betas) {
  let product = 1;
  return betas.map((beta) => {
    product *= 1 - beta;
    return product;
  });
}

/** alpha-bar shifted and scaled so that the last step is pure noise (Lin et al. 2023). */
function zeroTerminal(abar) {
  const root = abar.map(Math.sqrt);
  const [first, last] = [root[0], root[root.length - 1]];
  return root.map((r) => (((r - last) * first) / (first - last)) ** 2);
}

const BETAS = {
  linear: (c, T) => {
    const scale = 1000 / T;
    const step = (c.beta_end - c.beta_start) / (T - 1);
    return Array.from({ length: T }, (_, i) => Math.min(0.999, scale * (c.beta_start + i * step)));
  },
  cosine: (c, T) => {
    const s = c.cosine_s;
    return betasFromAbar((u) => Math.cos((((u + s) / (1 + s)) * Math.PI) / 2) ** 2, T);
  },
  sigmoid: (c, T) => {
    const sigmoid = (z) => 1 / (1 + Math.exp(-z / c.sigmoid_tau));
    const [start, end] = [c.sigmoid_start, c.sigmoid_end];
    const [low, high] = [sigmoid(start), sigmoid(end)];
    return betasFromAbar((u) => (high - sigmoid(u * (end - start) + start)) / (high - low), T);
  },
  custom: (c) => c.betas,
};

/** Signal and noise of each step where variance is preserved: sqrt(abar) and sqrt(1 - abar). */
function preservingScales(config, T) {
  require(config.schedule in BETAS, `The schedule ${config.schedule} is unknown here.`);
  let abar = runningProduct(BETAS[config.schedule](config, T));
  if (config.zero_terminal_snr) abar = zeroTerminal(abar);
  return { a: abar.map(Math.sqrt), s: abar.map((value) => Math.sqrt(1 - value)) };
}

/** Signal and noise of each step on the straight path of flow matching (Lipman et al. 2023). */
function straightScales(T) {
  const s = Array.from({ length: T }, (_, t) => (t + 1) / T);
  return { a: s.map((u) => 1 - u), s };
}

/** What multiplies image and noise at each step, `a[t]` and `s[t]`; `a[-1]` is 1, the clean end. */
export function makeSchedule(
  config, // metadata.schedules
) {
  const T = config.timesteps;
  const { a, s } = config.schedule === "flow" ? straightScales(T) : preservingScales(config, T);
  a[-1] = 1;
  s[-1] = 0;
  return { T, a, s };
}

// ---- the steps

/** Rounded to the nearest whole number, halves to the even one, as NumPy does. */
function roundHalfEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** `n` evenly spaced numbers from `first` to `last`. */
function linspace(first, last, n) {
  const step = (last - first) / (n - 1);
  const values = Array.from({ length: n }, (_, i) => first + i * step);
  if (n > 1) values[n - 1] = last;
  else values[0] = first;
  return values;
}

/** Steps spaced by noise level (Karras et al. 2022, eq. 5), at the schedule's nearest steps. */
function karrasSteps({ T, a, s }, n) {
  const [rho, sigmaMax, sigmaMin] = [4, 40, 0.03];
  const sigmas = Array.from({ length: T }, (_, t) => s[t] / a[t]);
  const high = Math.min(sigmaMax, sigmas[T - 1]) ** (1 / rho);
  const low = Math.max(sigmaMin, sigmas[0]) ** (1 / rho);
  let lowest = Number.POSITIVE_INFINITY;
  return linspace(high, low, n).map((root, i) => {
    const distance = (t) => Math.abs(Math.log(sigmas[t]) - rho * Math.log(root));
    let nearest = 0;
    for (let t = 1; t < T; t++) if (distance(t) < distance(nearest)) nearest = t;
    lowest = Math.min(lowest, nearest + i); // never one twice: go on to the next below,
    return Math.max(lowest - i, n - 1 - i); // and leave room for those to come
  });
}

/** The steps at which the network is asked, falling, as `DDPMSampler.steps` in Python. */
export function timesteps(
  schedule, // from `makeSchedule`
  n, // steps to take, 1 … T
  spacing = "trailing", // or 'karras', 'leading', 'linspace'
  extra = false, // leave room for one more step at the clean end; not with 'karras'
) {
  const { T } = schedule;
  require(Number.isInteger(n) && n >= 1 && n <= T, `Steps: ${n}; expected 1 to ${T}.`);
  if (spacing === "karras") return karrasSteps(schedule, n);
  const many = extra && n < T ? n + 1 : n;
  const index = [...Array(many).keys()];
  if (spacing === "trailing") {
    const stride = T - T / n - T;
    return index.slice(0, n).map((i) => roundHalfEven(T + i * stride) - 1);
  }
  if (spacing === "leading") {
    const stride = Math.floor(T / many);
    return index
      .map((i) => i * stride)
      .reverse()
      .slice(0, n);
  }
  require(spacing === "linspace", `Spacing: ${spacing}; expected trailing, karras, leading.`);
  if (many === 1) return [T - 1];
  return linspace(0, T - 1, many)
    .map(roundHalfEven)
    .reverse()
    .slice(0, n);
}

// ---- random numbers

/** Standard normal numbers from a seed and the index of the image.
 *
 * The generator is sfc32 (Doty-Humphrey, PractRand), its state the seed's low and high 32 bits,
 * the index and a counter that starts at 1; the first 12 numbers are dropped. Two numbers u, v,
 * each (word + 1/2) / 2^32, give sqrt(-2 ln u) cos(2 pi v) and then sqrt(-2 ln u) sin(2 pi v)
 * (Box and Muller). Each image has its own stream, so that it is the same in any batch.
 */
export class Normal {
  constructor(seed, index = 0) {
    require(Number.isSafeInteger(seed) && seed >= 0, `Seed: ${seed}; expected 0 or more.`);
    this.state = new Uint32Array([seed % 2 ** 32, Math.floor(seed / 2 ** 32), index, 1]);
    this.spare = null; // the second number of a pair
    for (let i = 0; i < 12; i++) this.word();
  }

  /** The next 32 bits. */
  word() {
    const state = this.state;
    const [a, b, c, counter] = state;
    const result = (a + b + counter) >>> 0;
    state[3] = counter + 1;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + result;
    return result;
  }

  /** The next normal number. */
  next() {
    if (this.spare !== null) {
      const value = this.spare;
      this.spare = null;
      return value;
    }
    const u = (this.word() + 0.5) / 2 ** 32;
    const v = (this.word() + 0.5) / 2 ** 32;
    const radius = Math.sqrt(-2 * Math.log(u));
    this.spare = radius * Math.sin(2 * Math.PI * v);
    return radius * Math.cos(2 * Math.PI * v);
  }

  /** The next numbers, written into an array. */
  fill(array) {
    for (let i = 0; i < array.length; i++) array[i] = this.next();
  }
}

// ---- the network

/** The network as a function `(x, t, y, n) => output`, computed by onnxruntime. */
export function onnxNetwork(
  ort, // onnxruntime-web or onnxruntime-node
  session, // ort.InferenceSession
  metadata, // from `readMetadata`
) {
  const { channels, num_classes: classes } = metadata;
  const [height, width] = imageSides(metadata);
  return async (x, t, y, n) => {
    const whole = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [n]);
    const feeds = {
      x: new ort.Tensor("float32", x, [n, channels, height, width]),
      t: whole(new Array(n).fill(t)),
    };
    if (classes) feeds.y = whole(y);
    const { output } = await session.run(feeds);
    return output.data;
  };
}

/** The output for labelled images with guidance; half of the batch has no label. */
async function guidedOutput(network, x, t, y, n, guidance, nullLabel) {
  if (guidance === 1) return network(x, t, y, n);
  const twice = new Float32Array(2 * x.length);
  twice.set(x);
  twice.set(x, x.length);
  const both = await network(twice, t, [...y, ...new Array(n).fill(nullLabel)], 2 * n);
  const half = both.length / 2;
  const free = both.subarray(half);
  return both.subarray(0, half).map((label, i) => free[i] + guidance * (label - free[i]));
}

/** The noise and the clean image that an output means, the image clipped to [-1,1]. */
function readOutput(out, x, a, s, { parameterization, channels, learn_sigma }, n) {
  const per = x.length / n;
  const stride = learn_sigma ? 2 * per : per; // the variance's half is not used here
  const x0 = new Float32Array(x.length);
  const eps = new Float32Array(x.length);
  const cleanOf = {
    eps: (value, noisy) => (noisy - s * value) / a,
    x0: (value) => value,
    v: (value, noisy) => (a * noisy - s * value) / (a * a + s * s),
    flow: (value, noisy) => (noisy - s * value) / (a + s),
  }[parameterization];
  require(channels * n > 0 && cleanOf, `The model predicts ${parameterization}, unknown here.`);
  for (let i = 0; i < x.length; i++) {
    const value = out[Math.floor(i / per) * stride + (i % per)];
    x0[i] = Math.min(1, Math.max(-1, cleanOf(value, x[i])));
    eps[i] = (x[i] - a * x0[i]) / s;
  }
  return { x0, eps };
}

// ---- the samplers

/** DDIM (Song et al. 2021, eq. 12, 16): eta 0 is deterministic, 1 as noisy as DDPM. */
export function ddimRule({ a, s }, eta) {
  return (x, { x0, eps }, t, next, noise) => {
    const added = s[t] ** 2 - ((a[t] / a[next]) * s[next]) ** 2;
    const sigma = ((eta * s[next]) / s[t]) * Math.sqrt(Math.max(0, added));
    require(sigma <= s[next] + 1e-12, `Eta: ${eta}; more noise than there is; expected at most 1.`);
    const direction = Math.sqrt(Math.max(0, s[next] ** 2 - sigma ** 2));
    const fresh = eta && next >= 0 ? noise() : null;
    return x.map((_, i) => a[next] * x0[i] + direction * eps[i] + (fresh ? sigma * fresh[i] : 0));
  };
}

/** DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), with `eta` its stochastic form. */
function dpmpp2mRule({ a, s }, eta) {
  const lambda = (t) => (a[t] > 0 ? Math.log(a[t] / s[t]) : Number.NEGATIVE_INFINITY);
  let lastX0 = null;
  let lastH = null;
  return (x, { x0 }, t, next, noise) => {
    if (next < 0) return x0;
    const h = lambda(next) - lambda(t);
    const isFirst = lastX0 === null || !Number.isFinite(lastH);
    const weight = isFirst ? 0 : (0.5 * h) / lastH;
    const before = isFirst ? x0 : lastX0;
    [lastX0, lastH] = [x0, h];
    const k = eta ? eta ** 2 * h : 0; // h may be infinite
    const keep = (s[next] / s[t]) * Math.exp(-k);
    const move = -a[next] * Math.expm1(-h - k);
    const spread = s[next] * Math.sqrt(-Math.expm1(-2 * k));
    const fresh = eta ? noise() : null;
    return x.map((value, i) => {
      const clean = x0[i] + weight * (x0[i] - before[i]);
      return keep * value + move * clean + (fresh ? spread * fresh[i] : 0);
    });
  };
}

const RULES = {
  ddim: { rule: ddimRule, spacing: "trailing", extra: false },
  dpmpp_2m: { rule: dpmpp2mRule, spacing: "karras", extra: true },
};

/** The label that means none; null where a model of classes has no such label. */
function nullLabelOf({ num_classes: classes, null_label: none }) {
  return none === undefined ? classes : none; // files of older versions do not name it
}

/** The labels of `n` images; throws a `SamplerError` where they do not fit the model. */
export function readLabels(label, n, metadata) {
  const { num_classes: classes } = metadata;
  if (!classes) {
    require(label === null, "This model knows no classes; leave the label out.");
    return null;
  }
  const none = nullLabelOf(metadata);
  require(label !== null || none !== null, "This model needs a label.");
  const labels = Array.isArray(label) ? label : new Array(n).fill(label ?? none);
  const highest = none ?? classes - 1;
  const fit = labels.every((value) => Number.isInteger(value) && value >= 0 && value <= highest);
  require(fit && labels.length === n, `Label: ${label}; expected 0 to ${classes - 1}.`);
  return labels;
}

/** The arguments of `sample` with their defaults; throws a `SamplerError` where they don't fit. */
function readOptions(options, metadata) {
  const given = { n: 1, method: "dpmpp_2m", steps: 10, eta: 0, seed: 0, guidance: 1, ...options };
  const { n, method, eta, guidance } = given;
  require(Number.isInteger(n) && n >= 1, `Images: ${n}; expected 1 or more.`);
  require(method in RULES, `Method: ${method}; expected ${Object.keys(RULES).join(" or ")}.`);
  require(Number.isFinite(eta) && eta >= 0, `Eta: ${eta}; expected 0 or more.`);
  const guided = guidance !== 1;
  require(Number.isFinite(guidance), `Guidance: ${guidance}; expected a number.`);
  require(!guided || metadata.num_classes, "This model knows no classes; leave guidance at 1.");
  const hasNone = !metadata.num_classes || nullLabelOf(metadata) !== null;
  require(!guided || hasNone, "This model was trained without a null label; leave guidance at 1.");
  const labels = readLabels(given.label ?? null, n, metadata);
  return { ...given, labels, spacing: given.spacing ?? RULES[method].spacing };
}

/** Noise for `n` images of `per` numbers, each from its own stream; called for every draw. */
export function batchNoise(seed, n, per) {
  const streams = Array.from({ length: n }, (_, i) => new Normal(seed, i));
  return () => {
    const values = new Float32Array(n * per);
    streams.forEach((stream, i) => {
      stream.fill(values.subarray(i * per, (i + 1) * per));
    });
    return values;
  };
}

/** What the network predicts from `x` at step `t`: the noise and the clean image. */
export async function predict(network, metadata, schedule, x, t, { n, labels, guidance }) {
  const unknown = metadata.parameterization === "eps" && !schedule.a[t];
  require(!unknown, `The model predicts noise, which means nothing at step ${t}.`);
  const out = await guidedOutput(network, x, t, labels, n, guidance, nullLabelOf(metadata));
  return readOutput(out, x, schedule.a[t], schedule.s[t], metadata, n);
}

/** Sample images step by step: yields `{i, steps, t, xt, x0, x}` after each step.
 *
 * `xt` is the state before it, `x0` the image predicted from that, `x` the state after it; after
 * the last step `x` is the result, `(n, channels, height, width)` in a Float32Array in [-1,1].
 * To stop, leave the loop.
 */
export async function* sample(
  network, // `(x, t, y, n) => output`, such as `onnxNetwork`
  metadata, // from `readMetadata`
  // {n, method: 'ddim' or 'dpmpp_2m', steps, eta, seed, label: one, a list or null, guidance,
  //  spacing, xT: Float32Array to start from}
  options = {},
) {
  const found = readOptions(options, metadata);
  const { n, method, steps, eta, seed, spacing, xT } = found;
  const schedule = makeSchedule(metadata.schedules);
  const ts = timesteps(schedule, steps, spacing, RULES[method].extra);
  const per = imageLength(metadata);
  const noise = batchNoise(seed, n, per);
  const own = noise(); // drawn in any case: what follows is the same either way
  let x = xT ? Float32Array.from(xT) : own;
  require(x.length === n * per, `x_T: ${x.length} numbers; expected ${n * per}.`);
  const rule = RULES[method].rule(schedule, eta);
  for (const [i, t] of ts.entries()) {
    const prediction = await predict(network, metadata, schedule, x, t, found);
    const after = rule(x, prediction, t, ts[i + 1] ?? -1, noise);
    yield { i: i + 1, steps, t, xt: x, x0: prediction.x0, x: after };
    x = after;
  }
}
