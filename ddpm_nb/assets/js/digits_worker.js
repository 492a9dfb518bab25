// The worker of digits.js: loads onnxruntime and the model, and samples step by step.
//
// Messages in: {kind: 'load', runtime, wasm, model, sha256}, {kind: 'sample', options} and
// {kind: 'stop'}. Messages out: {kind: 'loaded', metadata}, {kind: 'step', …}, {kind: 'done'},
// {kind: 'stopped'} and {kind: 'error', message}, the message a sentence for a person.

import { onnxNetwork, readMetadata, SamplerError, sample } from "./sampler.js";

let loading = null; // promise of {network, metadata}
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

async function load({ runtime, wasm, model, sha256 }) {
  const [bytes, wasmBinary] = await Promise.all([
    fetchBytes(model, "model file"),
    fetchBytes(wasm, "runtime"),
  ]);
  await checkHash(bytes, sha256);
  const ort = await import(runtime);
  ort.env.wasm.numThreads = 1; // several would need headers that plain servers don't send
  ort.env.wasm.wasmBinary = wasmBinary.buffer;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const metadata = readMetadata(bytes);
  return { network: onnxNetwork(ort, session, metadata), metadata };
}

/** Let messages that have arrived meanwhile be handled. */
function breathe() {
  return new Promise((resolve) => setTimeout(resolve));
}

async function run(options) {
  const { network, metadata } = await loading;
  isStopped = false;
  for await (const step of sample(network, metadata, options)) {
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
      const { metadata } = await loading;
      postMessage({ kind: "loaded", metadata });
    } else {
      await run(data.options);
    }
  } catch (error) {
    postMessage({ kind: "error", message: explain(error) });
  }
});
