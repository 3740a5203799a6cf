// Trains the networks of steps.py with TensorFlow.js in node, told what to do line by line as worker.py is.
//
//     node worker.mjs wasm|cpu --data DIR --threads N --started SECONDS

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs");

// A warm-up lasts at least so long.
const WARM_UP_SECONDS = 0.3;
// Batches that are trained on, in turn.
const BATCHES = 50;

const [backend, ...rest] = process.argv.slice(2);
const after = (flag) => {
  const place = rest.indexOf(flag);
  if (place < 0) throw new Error(`${flag} is missing`);
  return rest[place + 1];
};
const started = Number(after("--started"));

// What the library prints must not be taken for an answer.
console.log = console.warn;

async function choose() {
  if (backend === "wasm") {
    const wasm = require("@tensorflow/tfjs-backend-wasm");
    const files = dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"));
    wasm.setWasmPaths(join(files, "dist") + "/");
    wasm.setThreadsCount(Number(after("--threads")));
  }
  if (!(await tf.setBackend(backend))) throw new Error(`no backend ${backend}`);
  await tf.ready();
}

function read() {
  const file = (name, header) => readFileSync(join(after("--data"), name)).subarray(header);
  const labels = file("train-labels-idx1-ubyte", 8);
  const images = file("train-images-idx3-ubyte", 16);
  return { images, labels, count: labels.length, pixels: images.length / labels.length };
}

// Tensors of the first batches. They are cut before training: this backend copies a whole tensor to slice it.
function cut(samples, batch) {
  const batches = [];
  for (let first = 0; first + batch <= samples.count && batches.length < BATCHES; first += batch) {
    const pixels = samples.images.subarray(first * samples.pixels, (first + batch) * samples.pixels);
    const images = new Float32Array(pixels.length);
    for (let i = 0; i < pixels.length; i++) images[i] = pixels[i] / 255;
    const labels = Int32Array.from(samples.labels.subarray(first, first + batch));
    batches.push({
      images: tf.tensor2d(images, [batch, samples.pixels]),
      labels: tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, "int32"), 10), "float32")),
    });
  }
  return batches;
}

class Training {
  constructor(samples, sizes, batch) {
    this.batches = cut(samples, batch);
    this.next = 0;
    this.layers = sizes.slice(1).map((units, i) => {
      const limit = Math.sqrt(6 / (sizes[i] + units));
      const weight = tf.variable(tf.randomUniform([sizes[i], units], -limit, limit, "float32", i));
      return { weight, bias: tf.variable(tf.zeros([units])) };
    });
    this.optimizer = tf.train.adam(1e-3, 0.9, 0.999, 1e-7);
  }

  step() {
    const { images, labels } = this.batches[this.next];
    this.next = (this.next + 1) % this.batches.length;
    const forward = () => {
      let x = images;
      this.layers.forEach(({ weight, bias }, i) => {
        x = tf.add(tf.matMul(x, weight), bias);
        if (i + 1 < this.layers.length) x = tf.relu(x);
      });
      return tf.losses.softmaxCrossEntropy(labels, x);
    };
    const loss = tf.tidy(() => this.optimizer.minimize(forward, true));
    this.loss?.dispose();
    this.loss = loss;
  }

  async run(seconds) {
    const steps = Math.max(1, Math.round(seconds / this.stepSeconds));
    const start = performance.now();
    for (let step = 0; step < steps; step++) this.step();
    const [loss] = await this.loss.data();
    const taken = (performance.now() - start) / 1000;
    this.stepSeconds = taken / steps;
    return { steps, seconds: taken, loss };
  }
}

await choose();
const samples = read();
const trainings = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const [command, name, ...words] = line.trim().split(/\s+/);
  let answer;
  if (command === "prepare") {
    const training = new Training(samples, words[0].split("-").map(Number), Number(words[1]));
    training.step();
    await training.loss.data();
    const first = Date.now() / 1000 - started;
    training.stepSeconds = WARM_UP_SECONDS;
    for (let i = 0; i < 2; i++) await training.run(WARM_UP_SECONDS);
    const { loss } = await training.run(WARM_UP_SECONDS);
    trainings.set(name, training);
    const versions = { "TensorFlow.js": tf.version.tfjs, node: process.versions.node };
    answer = { first_step_seconds: first, loss, versions };
  } else if (command === "run") {
    answer = await trainings.get(name).run(Number(words[0]));
  } else {
    throw new Error(`not a command: ${line}`);
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
