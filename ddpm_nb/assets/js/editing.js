// Images changed by the network of an ONNX file: one prediction, SDEdit and RePaint.
//
// As `DDPMSampler.denoise`, `edit` and `inpaint` in Python (chapters 6 and 11), step by step. The
// generators yield what `sample` in sampler.js yields.

import {
  batchNoise,
  ddimRule,
  imageLength,
  makeSchedule,
  predict,
  readLabels,
  require,
  timesteps,
} from "./sampler.js";

/** The options that all tasks share, checked; throws a `SamplerError` where they don't fit. */
function readOptions(options, metadata) {
  const given = { n: 1, seed: 0, guidance: 1, ...options };
  const per = imageLength(metadata);
  const { n, image, guidance } = given;
  require(Number.isInteger(n) && n >= 1, `Images: ${n}; expected 1 or more.`);
  require(image?.length === per, `Image: ${image?.length} numbers; expected ${per}.`);
  require(guidance === 1 || metadata.num_classes, "This model knows no classes; guidance stays 1.");
  const images = new Float32Array(n * per);
  for (let i = 0; i < n; i++) images.set(image, i * per);
  const labels = readLabels(given.label ?? null, n, metadata);
  const schedule = makeSchedule(metadata.schedules);
  return { ...given, per, images, labels, schedule, noise: batchNoise(given.seed, n, per) };
}

/** An image noised to step `t`: a x0 + s eps. */
function noised(images, eps, a, s) {
  return images.map((value, i) => a * value + s * eps[i]);
}

/** One look: the image noised to step `t`, and what the network takes it for. */
export async function* denoise(
  network, // see `sample`
  metadata, // from `readMetadata`
  options, // {image: Float32Array in [-1,1], t, seed, label, guidance}
) {
  const found = readOptions(options, metadata);
  const { schedule, images, t } = found;
  const isStep = Number.isInteger(t) && t >= 0 && t < schedule.T;
  require(isStep, `Step: ${t}; expected 0 to ${schedule.T - 1}.`);
  const xt = noised(images, found.noise(), schedule.a[t], schedule.s[t]);
  const { x0 } = await predict(network, metadata, schedule, xt, t, found);
  yield { i: 1, steps: 1, t, xt, x0, x: x0 };
}

/** SDEdit (Meng et al. 2022, algorithm 1): noised part of the way, and denoised by DDIM. */
export async function* edit(
  network, // see `sample`
  metadata, // from `readMetadata`
  options, // {image, n, strength: share of the steps that is run, steps, seed, label, guidance}
) {
  const found = readOptions({ strength: 0.5, steps: 20, ...options }, metadata);
  const { schedule, images, strength, steps } = found;
  require(strength > 0 && strength <= 1, `Strength: ${strength}; expected above 0, at most 1.`);
  const all = timesteps(schedule, steps);
  const ts = all.slice(all.length - Math.max(1, Math.round(strength * all.length)));
  const { a, s } = schedule;
  let x = noised(images, found.noise(), a[ts[0]], s[ts[0]]);
  const rule = ddimRule(schedule, 0);
  for (const [i, t] of ts.entries()) {
    const prediction = await predict(network, metadata, schedule, x, t, found);
    const after = rule(x, prediction, t, ts[i + 1] ?? -1);
    yield { i: i + 1, steps: ts.length, t, xt: x, x0: prediction.x0, x: after };
    x = after;
  }
}

/** RePaint (Lugmayr et al. 2022, algorithm 1): the hole sampled, the rest from the image. */
export async function* inpaint(
  network, // see `sample`
  metadata, // from `readMetadata`
  options, // {image, known: 1 where pixels are known, n, steps, resample, seed, label, guidance}
) {
  const found = readOptions({ steps: 20, resample: 2, ...options }, metadata);
  const { schedule, images, steps, resample, per, noise, known } = found;
  require(known?.length === per, `Known pixels: ${known?.length}; expected ${per}.`);
  require(Number.isInteger(resample) && resample >= 1, `Repetitions: ${resample}; expected 1 up.`);
  const { a, s } = schedule;
  const ts = timesteps(schedule, steps);
  const ancestral = ddimRule(schedule, 1);
  let x = noise();
  for (const [i, t] of ts.entries()) {
    const next = ts[i + 1] ?? -1;
    const keep = a[t] / a[next]; // how much of the state at `next` is left at `t`
    const before = x;
    let prediction;
    for (let repetition = 0; repetition < (next < 0 ? 1 : resample); repetition++) {
      if (repetition > 0) x = noised(x, noise(), keep, Math.sqrt(1 - keep ** 2));
      prediction = await predict(network, metadata, schedule, x, t, found);
      const hole = ancestral(x, prediction, t, next, noise);
      const rest = next < 0 ? images : noised(images, noise(), a[next], s[next]);
      x = hole.map((value, j) => (known[j % per] ? rest[j] : value));
    }
    yield { i: i + 1, steps, t, xt: before, x0: prediction.x0, x };
  }
}
