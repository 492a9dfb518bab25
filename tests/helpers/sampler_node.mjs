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
