"""JAX: the whole step in one compiled function, or 50 steps in one, by `lax.scan`. Adam is written out."""

import jax
import jax.numpy as jnp
import numpy as np

RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7


def set_up(threads, device):
    # XLA takes as many threads as the process may use cores, which `steps.py` limits.
    del threads
    jax.config.update("jax_platforms", device)


def versions():
    return {"jax": jax.__version__}


def initial(sizes):
    random = np.random.default_rng(0)
    layers = []
    for inputs, units in zip(sizes, sizes[1:]):
        limit = np.sqrt(6 / (inputs + units))
        weight = random.uniform(-limit, limit, (inputs, units)).astype(np.float32)
        layers.append((jnp.asarray(weight), jnp.zeros(units, jnp.float32)))
    zeros = jax.tree.map(jnp.zeros_like, layers)
    return {
        "layers": layers,
        "mean": zeros,
        "square": jax.tree.map(jnp.zeros_like, layers),
        "step": jnp.zeros((), jnp.float32),
        "loss": jnp.zeros((), jnp.float32),
    }


def mean_loss(layers, images, labels):
    x = images.astype(jnp.float32) / 255
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = layers[-1]
    logits = x @ weight + bias
    chosen = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return -(chosen * jax.nn.log_softmax(logits)).sum() / labels.shape[0]


def train_step(state, images, labels):
    loss, gradient = jax.value_and_grad(mean_loss)(state["layers"], images, labels)
    step = state["step"] + 1
    mean = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, state["mean"], gradient)
    square = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, state["square"], gradient)
    rate = RATE * jnp.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    update = lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON)
    layers = jax.tree.map(update, state["layers"], mean, square)
    return {"layers": layers, "mean": mean, "square": square, "step": step, "loss": loss}


class Step:
    """One call a step; its batch is cut from the resident bytes inside it."""

    chunk = 50

    def __init__(self, images, labels, sizes, batch):
        self.images, self.labels = jnp.asarray(images), jnp.asarray(labels, jnp.int32)
        self.state, self.batch, self.batches, self.next = initial(sizes), batch, len(images) // batch, 0

        def one(state, images, labels, number):
            cut = lambda values: jax.lax.dynamic_slice_in_dim(values, number * batch, batch)
            return train_step(state, cut(images), cut(labels))

        def many(state, images, labels, first):
            numbers = (first + jnp.arange(self.chunk)) % self.batches
            run = lambda state, number: (one(state, images, labels, number), None)
            return jax.lax.scan(run, state, numbers)[0]

        self.one = jax.jit(one, donate_argnums=0)
        self.many = jax.jit(many, donate_argnums=0)

    def step(self):
        self.state = self.one(self.state, self.images, self.labels, self.next)
        self.next = (self.next + 1) % self.batches

    def first(self):
        self.step()

    def run(self, chunks):
        for _ in range(chunks * self.chunk):
            self.step()

    def loss(self):
        return float(self.state["loss"])


class Scan(Step):
    """50 steps a call."""

    def first(self):
        self.run(1)

    def run(self, chunks):
        for _ in range(chunks):
            self.state = self.many(self.state, self.images, self.labels, self.next)
            self.next = (self.next + self.chunk) % self.batches
