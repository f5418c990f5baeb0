"""The networks of the training comparison: one description for the integer program, one PyTorch
module.

Both start from the same weights and see the same batches; the module stands for ordinary f32
training. Learning rates go down to 0: with a rate that stays high, two f32 trainings from almost
the same weights end further apart than what is compared here.
"""

import math
import pathlib

import numpy as np
import torch
from torch import nn


class Task:
    """A network, its data, and how a module's parameters are named in the description."""

    def __init__(self, name, description, module, data, test, names):
        self.name = name
        self.description = description
        self.module = module
        self.data = data
        self.test = test
        self.names = names

    def weights(self):
        """The module's parameters by the description's names and in its layout."""
        state = {key: value.detach().numpy() for key, value in self.module.named_parameters()}
        return {name: layout(state[key]) for name, key in self.names.items()}

    def load(self, arrays):
        """Puts parameters of the description's layout into the module."""
        state = dict(self.module.named_parameters())
        with torch.no_grad():
            for name, key in self.names.items():
                array = arrays[name]
                if array.ndim == 4:
                    array = array.transpose(0, 3, 1, 2)
                state[key].copy_(torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)))

    def optimizer(self):
        """The description's optimizer for the module."""
        rate = self.rate(0)
        ((kind, options),) = self.description["optimizer"].items()
        decay = options.get("weight_decay", 0.0)
        parameters = self.module.parameters()
        if kind == "sgd":
            return torch.optim.SGD(
                parameters, lr=rate, momentum=options["momentum"], weight_decay=decay
            )
        betas = (options["beta1"], options["beta2"])
        return torch.optim.AdamW(parameters, lr=rate, betas=betas, weight_decay=decay)

    def rate(self, step):
        """The description's learning rate: linear up to the peak, then half a cosine down to 0."""
        cosine = self.description["learning_rate"]["cosine"]
        peak, warmup = cosine["peak"], cosine["warmup"]
        if step < warmup:
            return peak * (step + 1) / warmup
        done = (step - warmup) / max(self.description["steps"] - warmup - 1, 1)
        return peak * 0.5 * (1 + math.cos(math.pi * min(done, 1)))

    def batch(self, positions):
        """Examples and classes at positions."""
        if "tokens" in self.data:
            length = self.description["input"]["tokens"]["length"]
            places = positions[:, None] + np.arange(length)
            tokens = self.data["tokens"]
            x, y = tokens[places], tokens[places + 1]
            return torch.from_numpy(x), torch.from_numpy(y)
        x = self.data["x"][positions]
        return torch.from_numpy(x), torch.from_numpy(self.data["y"][positions])

    def order(self, seed):
        """Positions of the examples of each step: windows of a text at random, examples in shuffled rounds."""
        random = np.random.default_rng(seed)
        shape = (self.description["steps"], self.description["batch"])
        if "tokens" in self.data:
            return random.integers(0, self.examples(), shape)
        rounds = [
            random.permutation(self.examples())
            for _ in range(math.prod(shape) // self.examples() + 1)
        ]
        return np.concatenate(rounds)[: math.prod(shape)].reshape(shape)

    def examples(self):
        """How many positions there are."""
        if "tokens" in self.data:
            return len(self.data["tokens"]) - self.description["input"]["tokens"]["length"]
        return len(self.data["x"])


def layout(array):
    """Convolutions: from [outputs, channels, height, width] to channels last."""
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def digits(shape):
    """Digits of scikit-learn, 0 to 1, four fifths of them for training."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = (data.images[order] / 16).astype(np.float32).reshape(-1, *shape)
    y = data.target[order].astype(np.int64)
    cut = len(y) * 4 // 5
    return {"x": x[:cut], "y": y[:cut]}, (torch.from_numpy(x[cut:]), torch.from_numpy(y[cut:]))


def digits_mlp(optimizer=None, peak=0.02):
    """64 → 64 → 10."""
    data, test = digits([64])
    module = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    description = {
        "input": {"dense": {"shape": [64]}},
        "layers": [{"linear": {"outputs": 64}}, "relu", {"linear": {"outputs": 10}}],
        "optimizer": optimizer or {"sgd": {"momentum": 0.9}},
        "learning_rate": {"cosine": {"peak": peak, "warmup": 30}},
        "batch": 32,
        "steps": 1000,
        "order": "given",
    }
    names = {f"{at}.{role}": f"{at}.{role}" for at in (0, 2) for role in ("weight", "bias")}
    return Task("digits-mlp", description, module, data, test, names)


def digits_adamw():
    """The same network with decoupled weight decay."""
    task = digits_mlp({"adam": {"beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1}}, peak=0.003)
    task.name = "digits-adamw"
    return task


class DigitsCnn(nn.Module):
    """Two convolutions with pooling; images are [height, width, channels]."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.last = nn.Linear(64, 10)

    def forward(self, x):
        x = x.permute(0, 3, 1, 2)
        x = torch.max_pool2d(torch.relu(self.first(x)), 2)
        x = torch.max_pool2d(torch.relu(self.second(x)), 2)
        return self.last(x.permute(0, 2, 3, 1).flatten(1))


def digits_cnn():
    """Two convolutions with pooling."""
    data, test = digits([8, 8, 1])
    convolution = {"kernel": [3, 3], "padding": [1, 1]}
    description = {
        "input": {"dense": {"shape": [8, 8, 1]}},
        "layers": [
            {"conv2d": {"outputs": 8, **convolution}},
            "relu",
            {"max_pool": {"kernel": [2, 2]}},
            {"conv2d": {"outputs": 16, **convolution}},
            "relu",
            {"max_pool": {"kernel": [2, 2]}},
            "flatten",
            {"linear": {"outputs": 10}},
        ],
        "optimizer": {"sgd": {"momentum": 0.9, "weight_decay": 5e-4}},
        "learning_rate": {"cosine": {"peak": 0.02, "warmup": 30}},
        "batch": 32,
        "steps": 1000,
        "order": "given",
    }
    keys = {0: "first", 3: "second", 7: "last"}
    names = {
        f"{at}.{role}": f"{key}.{role}" for at, key in keys.items() for role in ("weight", "bias")
    }
    return Task("digits-cnn", description, DigitsCnn(), data, test, names)


class Block(nn.Module):
    """Attention and feed-forward, each after a norm and around a residual."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.first = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.second = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.qkv(self.first(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(nn.functional.gelu(self.up(self.second(x))))


class Characters(nn.Module):
    """A causal transformer over characters."""

    def __init__(self, vocabulary, length, width, heads, blocks):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(length, width))
        for table in (self.tokens.weight, self.positions):
            nn.init.normal_(table, std=0.1)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, vocabulary)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.last(self.norm(x))


def characters():
    """A transformer over the texts of licences that every Debian machine has."""
    folder = pathlib.Path("/usr/share/common-licenses")
    text = "".join(
        (folder / name).read_text("utf-8") for name in ("GPL-3", "Apache-2.0", "LGPL-2.1")
    )
    alphabet = sorted(set(text))
    tokens = np.array([alphabet.index(c) for c in text], dtype=np.int64)
    length, width, heads, blocks = 32, 48, 4, 2
    cut = len(tokens) * 9 // 10
    description = {
        "input": {"tokens": {"length": length, "vocabulary": len(alphabet)}},
        "layers": [{"embedding": {"width": width}}],
        "optimizer": {"adam": {"beta1": 0.9, "beta2": 0.99}},
        "learning_rate": {"cosine": {"peak": 0.003, "warmup": 30}},
        "batch": 16,
        "steps": 300,
        "order": "given",
    }
    names = {"0.weight": "tokens.weight", "0.positions": "positions"}
    for block in range(blocks):
        description["layers"] += [
            {"residual": ["layer_norm", {"attention": {"heads": heads}}]},
            {
                "residual": [
                    "layer_norm",
                    {"linear": {"outputs": 4 * width}},
                    "gelu",
                    {"linear": {"outputs": width}},
                ]
            },
        ]
        first, second = 1 + 2 * block, 2 + 2 * block
        paths = {
            f"{first}.0": "first",
            f"{first}.1.qkv": "qkv",
            f"{first}.1.out": "out",
            f"{second}.0": "second",
            f"{second}.1": "up",
            f"{second}.3": "down",
        }
        for path, key in paths.items():
            for role in ("weight", "bias"):
                names[f"{path}.{role}"] = f"blocks.{block}.{key}.{role}"
    at = 1 + 2 * blocks
    description["layers"] += ["layer_norm", {"linear": {"outputs": len(alphabet)}}]
    for path, key in ((at, "norm"), (at + 1, "last")):
        for role in ("weight", "bias"):
            names[f"{path}.{role}"] = f"{key}.{role}"
    module = Characters(len(alphabet), length, width, heads, blocks)
    windows = np.arange(cut, len(tokens) - length - 1, length)[:, None] + np.arange(length)
    test = (torch.from_numpy(tokens[windows]), torch.from_numpy(tokens[windows + 1]))
    return Task("characters", description, module, {"tokens": tokens[:cut]}, test, names)


TASKS = {
    "digits-mlp": digits_mlp,
    "digits-adamw": digits_adamw,
    "digits-cnn": digits_cnn,
    "characters": characters,
}
