"""PyTorch: eager, compiled, and on CUDA captured into graphs."""

import torch

DEVICE = torch.device("cpu")


def set_up(threads, device):
    global DEVICE
    DEVICE = torch.device(device)
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    # f32 means f32: no TensorFloat-32.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = False


def versions():
    versions = {"torch": torch.__version__}
    if DEVICE.type == "cuda":
        versions["CUDA"] = torch.version.cuda
    return versions


class Eager:
    """The usual loop, with PyTorch's fused Adam."""

    chunk = 10

    def __init__(self, images, labels, sizes, batch):
        # As f32 already: on a CPU, converting anew in each step would take PyTorch a pass over the batch.
        self.images = torch.from_numpy(images).to(DEVICE).float().div_(255)
        self.labels = torch.from_numpy(labels).to(DEVICE, torch.int64)
        self.batch, self.batches, self.next = batch, len(images) // batch, 0
        layers = []
        for inputs, units in zip(sizes, sizes[1:]):
            layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1]).to(DEVICE)
        self.optimizer = torch.optim.Adam(self.model.parameters(), eps=1e-7, fused=True, **self.adam())
        self.last = torch.zeros((), device=DEVICE)

    def adam(self):
        return {}

    def mean_loss(self, images, labels):
        return torch.nn.functional.cross_entropy(self.model(images), labels)

    def update(self):
        self.optimizer.step()

    def step(self):
        rows = slice(self.next * self.batch, (self.next + 1) * self.batch)
        self.next = (self.next + 1) % self.batches
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.mean_loss(self.images[rows], self.labels[rows])
        loss.backward()
        self.update()
        self.last = loss.detach()

    def first(self):
        self.step()

    def run(self, chunks):
        for _ in range(chunks * self.chunk):
            self.step()

    def loss(self):
        return float(self.last)


class Compiled(Eager):
    """`torch.compile` over the forward and backward computation; the update is the fused one."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        # Otherwise one network's code would be made general by the next one's shapes.
        self.mean_loss = torch.compile(super().mean_loss, dynamic=False)


class Graph(Eager):
    """A step captured into a CUDA graph, which chooses its own batch: a step is one replay."""

    captured = 1

    def adam(self):
        return {"capturable": True}

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.position = torch.zeros((), dtype=torch.int64, device=DEVICE)
        self.offsets = torch.arange(self.batch, device=DEVICE)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            for _ in range(self.captured):
                self.step()

    def step(self):
        rows = self.position * self.batch + self.offsets
        self.position.add_(1).remainder_(self.batches)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.mean_loss(self.images.index_select(0, rows), self.labels.index_select(0, rows))
        loss.backward()
        self.update()
        # One place in memory for all steps, so that the last captured one's loss is what is read.
        self.last.copy_(loss.detach())

    def first(self):
        self.graph.replay()

    def run(self, chunks):
        for _ in range(chunks * self.chunk // self.captured):
            self.graph.replay()


class GraphOfSteps(Graph):
    """50 steps in one CUDA graph."""

    chunk = 50
    captured = 50
