// The worker behind the panels of a page: loads onnxruntime and the model, and computes.
//
// Messages in: {kind: 'load', model, sha256, runtime, wasm, gpu_runtime, gpu_wasm, backend},
// {kind: 'run', task, options} and {kind: 'stop'}. Messages out: {kind: 'loaded', metadata,
// backend}, {kind: 'step', …}, {kind: 'done'}, {kind: 'stopped'} and {kind: 'error', message},
// the message a sentence for a person.

import { denoise, edit, inpaint } from "./editing.js";
import { onnxNetwork, readMetadata, SamplerError, sample } from "./sampler.js";

const TASKS = { sample, denoise, edit, inpaint };
let loading = null; // promise of {network, metadata, backend}
let isStopped = false;

/** The bytes behind a URL; throws a `SamplerError` that says what could not be had. */
async function fetchBytes(url, what) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new SamplerError(`The ${what} could not be loaded; is the network there?`);
  }
  if (!response.ok) throw new SamplerError(`The ${what} is not on this site.`);
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch {
    throw new SamplerError(`The ${what} did not arrive whole; reload the page to try again.`);
  }
}

/** Throw a `SamplerError` where the bytes are not those that the site was built with. */
async function checkHash(bytes, sha256) {
  if (!crypto.subtle) return; // only pages served by https or from this machine have it
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex === sha256) return;
  throw new SamplerError("The model file is damaged or incomplete; reload the page to try again.");
}

/** Whether to compute on a GPU: the browser offers a real one, and can wait inside WebAssembly. */
async function canUseGpu({ gpu_runtime, backend }) {
  if (!gpu_runtime || backend === "wasm" || typeof WebAssembly.Suspending !== "function") {
    return false;
  }
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    return Boolean(adapter) && (backend === "webgpu" || !adapter.info?.isFallbackAdapter);
  } catch {
    return false;
  }
}

/** A session of onnxruntime: `{ort, session}`. */
async function openSession(bytes, runtime, wasm, provider) {
  const wasmBinary = await fetchBytes(wasm, "runtime");
  const ort = await import(runtime);
  ort.env.wasm.numThreads = 1; // several would need headers that plain servers don't send
  ort.env.wasm.wasmBinary = wasmBinary.buffer;
  ort.env.logLevel = "error";
  const options = { executionProviders: [provider], logSeverityLevel: 3 }; // errors only
  const session = await ort.InferenceSession.create(bytes, options);
  return { ort, session };
}

async function load(files) {
  const bytes = await fetchBytes(files.model, "model file");
  await checkHash(bytes, files.sha256);
  const metadata = readMetadata(bytes);
  if (await canUseGpu(files)) {
    try {
      const { ort, session } = await openSession(
        bytes,
        files.gpu_runtime,
        files.gpu_wasm,
        "webgpu",
      );
      return { network: onnxNetwork(ort, session, metadata), metadata, backend: "webgpu" };
    } catch (error) {
      if (files.backend === "webgpu") throw error;
      console.info(`No computation on the GPU (${error?.message ?? error}); on the processor.`);
    }
  }
  const { ort, session } = await openSession(bytes, files.runtime, files.wasm, "wasm");
  return { network: onnxNetwork(ort, session, metadata), metadata, backend: "wasm" };
}

/** Let messages that have arrived meanwhile be handled. */
function breathe() {
  return new Promise((resolve) => setTimeout(resolve));
}

async function run({ task, options }) {
  const { network, metadata } = await loading;
  isStopped = false;
  for await (const step of TASKS[task](network, metadata, options)) {
    postMessage({ kind: "step", ...step });
    await breathe();
    if (isStopped) return postMessage({ kind: "stopped" });
  }
  postMessage({ kind: "done" });
}

/** A sentence about what went wrong. */
function explain(error) {
  if (error instanceof SamplerError) return error.message;
  const isMemory = error instanceof RangeError || /memory|alloc/i.test(String(error));
  if (isMemory) return "There is too little memory here; try fewer digits.";
  return `This browser could not compute the digits (${error?.message ?? error}).`;
}

addEventListener("message", async ({ data }) => {
  try {
    if (data.kind === "stop") {
      isStopped = true;
    } else if (data.kind === "load") {
      loading = load(data);
      const { metadata, backend } = await loading;
      postMessage({ kind: "loaded", metadata, backend });
    } else {
      await run(data);
    }
  } catch (error) {
    postMessage({ kind: "error", message: explain(error) });
  }
});
