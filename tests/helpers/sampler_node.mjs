// Runs jobs of tests/test_sampler_js.py: reads them as JSON from stdin, answers as JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const job = JSON.parse(readFileSync(0, "utf8"));
const js = await import(pathToFileURL(job.sampler));

/** The network of an ONNX file in onnxruntime-web's WebAssembly, and what stands beside it. */
async function load() {
  const ort = await import(pathToFileURL(`${job.runtime}/ort.wasm.bundle.min.mjs`));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = readFileSync(`${job.runtime}/ort-wasm-simd-threaded.wasm`);
  const bytes = readFileSync(job.model);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const metadata = js.readMetadata(bytes);
  return [js.onnxNetwork(ort, session, metadata), metadata];
}

/** What a network that predicts nothing would give; for errors that come before it is asked. */
const zeros = async (x) => new Float32Array(x.length);

const answers = {
  tables: () =>
    job.schedules.map((config) => {
      const schedule = js.makeSchedule(config);
      const steps = job.spacings.map(([spacing, n, extra]) =>
        js.timesteps(schedule, n, spacing, extra),
      );
      return { a: [...schedule.a], steps };
    }),
  normal: () => {
    const stream = new js.Normal(job.seed, job.index);
    return Array.from({ length: job.count }, () => stream.next());
  },
  sample: async () => {
    const [network, metadata] = await load();
    const results = [];
    for (const options of job.cases) {
      let last;
      for await (const step of js.sample(network, metadata, options)) last = step;
      results.push([...last.x]);
    }
    return results;
  },
  shrinking: async () => {
    const third = async (x) => x.map((value) => value / 3);
    const results = [];
    for (const [metadata, options] of job.cases) {
      let last;
      for await (const step of js.sample(third, metadata, options)) last = step;
      results.push([...last.x]);
    }
    return results;
  },
  edits: async () => {
    const editing = await import(pathToFileURL(job.sampler.replace("sampler.js", "editing.js")));
    const [network, metadata] = await load();
    const results = [];
    for (const { task, options } of job.cases) {
      let last;
      for await (const step of editing[task](network, metadata, options)) last = step;
      results.push([...last.x]);
    }
    return results;
  },
  moons: async () => {
    const moons = await import(pathToFileURL(job.sampler.replace("sampler.js", "moons.js")));
    const network = new moons.SmallNetwork(0);
    const random = new js.Normal(1);
    network.parameters[4].forEach((_, i, weights) => {
      weights[i] = 0.3 * random.next(); // zero at first, and then nothing before it would matter
    });
    const n = 3;
    const inputs = [];
    for (let i = 0; i < n; i++) inputs.push(...moons.features(random.next(), random.next(), i / n));
    const target = Float64Array.from({ length: 2 * n }, () => random.next());
    const x = Float64Array.from(inputs);
    const { loss, slopes } = network.gradient(x, target, n);
    const checks = [];
    for (const [k, values] of network.parameters.entries()) {
      for (const i of [0, values.length >> 1, values.length - 1]) {
        const h = 1e-5;
        values[i] += h;
        const up = network.gradient(x, target, n).loss;
        values[i] -= 2 * h;
        const down = network.gradient(x, target, n).loss;
        values[i] += h;
        checks.push([slopes[k][i], (up - down) / (2 * h)]);
      }
    }
    let after;
    for (let i = 0; i < 300; i++) after = network.step(x, target, n);
    const centres = moons.makeMoons();
    const exact = moons.exactDenoiser(centres);
    const answers = job.points.map(([px, py, a, s]) => exact(px, py, a, s));
    return { checks, loss, after, centres: [...centres], answers, spread: moons.SPREAD };
  },
  errors: async () => {
    const messages = [];
    for (const [metadata, options] of job.cases) {
      try {
        for await (const _ of js.sample(zeros, metadata, options));
        messages.push(null);
      } catch (error) {
        messages.push(error instanceof js.SamplerError ? error.message : `not ours: ${error}`);
      }
    }
    for (const bytes of job.files) {
      try {
        js.readMetadata(Uint8Array.from(bytes));
        messages.push(null);
      } catch (error) {
        messages.push(error instanceof js.SamplerError ? error.message : `not ours: ${error}`);
      }
    }
    return messages;
  },
};
console.log(JSON.stringify(await answers[job.what]()));
