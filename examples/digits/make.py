#!/usr/bin/env python3
"""Makes the digits example: data, a trained float MLP, and the same network in integers.

    pip install -r requirements.txt && python3 make.py [--out DIR]

Writes, all of them committed beside this script:
    digits.safetensors   images i8 [1797, 64] (grey levels 0..16) and labels i32 [1797]
    weights.safetensors  int8 weights, int32 biases, requantization multipliers and shifts
    digits.program       the integer program (docs/program-format.md), encoded here from the grammar
    accuracy.json        float and integer accuracy, on the held-out images and on all of them

Held out: every fifth image (index % 5 == 0), 360 of 1,797; the network never saw them. The integer
arithmetic below is plain numpy and follows docs/numerics.md, so the predictions that a job returns
must be these, image by image.
"""

import argparse
import json
import pathlib

import numpy as np
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from program_format import Clamp, ArgMax, MatMul, Program, Requant, input_, node

SEED = 20260915
HIDDEN = (128, 64)
WEIGHT_TYPES = {"weight": "i8", "bias": "i32", "multiplier": "i16", "shift": "i8"}


def train():
    """Returns images i8 [N, 64], labels [N], the held-out mask and the float layers [(w, b)]."""
    digits = load_digits()
    images = digits.data.astype(np.int8)
    labels = digits.target.astype(np.int32)
    held_out = np.arange(len(labels)) % 5 == 0
    model = MLPClassifier(HIDDEN, random_state=SEED, max_iter=600, alpha=1e-3, tol=1e-5)
    model.fit(images[~held_out] / 16.0, labels[~held_out])
    layers = [(w.T.copy(), b.copy()) for w, b in zip(model.coefs_, model.intercepts_)]
    return images, labels, held_out, layers


def float_forward(layers, x):
    """Returns the outputs of every layer, the last one without its activation."""
    outputs = []
    for index, (w, b) in enumerate(layers):
        x = x @ w.T + b
        if index + 1 < len(layers):
            x = np.maximum(x, 0)
        outputs.append(x)
    return outputs


def multiplier_and_shift(factor):
    """The factor as m / 2^s with m in [2^14, 2^15), one rounding (docs/numerics.md, Requant)."""
    shift = np.floor(15 - np.log2(factor)).astype(int)
    multiplier = np.round(factor * 2.0**shift).astype(int)
    over = multiplier >= 1 << 15
    multiplier[over] //= 2
    shift[over] -= 1
    assert ((multiplier >= 1 << 14) & (multiplier < 1 << 15)).all()
    assert ((shift >= 1) & (shift <= 46)).all()
    return multiplier.astype(np.int16), shift.astype(np.int8)


def quantize(layers, calibration):
    """Per-channel symmetric int8 weights; activations scaled by their calibration maximum."""
    quantized, input_scale = [], 1 / 16.0
    outputs = float_forward(layers, calibration)
    for index, (w, b) in enumerate(layers):
        # A dead neuron's weights are all but zero; the floor keeps its shift inside 1..46.
        channel_max = np.abs(w).max(axis=1)
        weight_scale = np.maximum(channel_max, channel_max.max() / 4096) / 127
        last = index + 1 == len(layers)
        output_scale = np.abs(outputs[index]).max() / (16384 if last else 127)
        multiplier, shift = multiplier_and_shift(input_scale * weight_scale / output_scale)
        quantized.append(
            {
                "weight": np.round(w / weight_scale[:, None]).astype(np.int8),
                "bias": np.round(b / (input_scale * weight_scale)).astype(np.int32),
                "multiplier": multiplier,
                "shift": shift,
            }
        )
        input_scale = output_scale
    return quantized


def integer_forward(layers, images):
    """The definition's arithmetic in numpy: int8 dot products, one rounding, saturation."""
    x = images.astype(np.int64)
    for index, layer in enumerate(layers):
        accumulator = x @ layer["weight"].T.astype(np.int64) + layer["bias"]
        shift = layer["shift"].astype(np.int64)
        scaled = (accumulator * layer["multiplier"] + (1 << (shift - 1))) >> shift
        x = np.clip(scaled, 0, 127) if index + 1 < len(layers) else np.clip(scaled, -32768, 32767)
    return x


def program(count, layers):
    """MatMul and Requant are virtual; what each block hands on is an eager anchor."""
    p = Program()
    x = p.add_input("images", "i8", (count, 64))
    weights = [
        {
            name: p.add_input(f"layer{i}.{name}", WEIGHT_TYPES[name], tensor.shape)
            for name, tensor in layer.items()
        }
        for i, layer in enumerate(layers)
    ]
    source = input_(x)
    for index, (w, layer) in enumerate(zip(weights, layers)):
        last = index + 1 == len(layers)
        product = p.add_node(MatMul(), [source, input_(w["weight"])], "virtual")
        operands = [node(product)] + [input_(w[name]) for name in ("multiplier", "shift", "bias")]
        if last:
            hidden = p.add_node(Requant("i16"), operands, "eager")
        else:
            scaled = p.add_node(Requant("i8"), operands, "virtual")
            hidden = p.add_node(Clamp(0, 127), [node(scaled)], "eager")
        source = node(hidden)
    classes = p.add_node(ArgMax(axis=1), [source], "eager")
    p.add_output("classes", classes)
    p.add_output("logits", hidden)
    return p


def main():
    here = pathlib.Path(__file__).parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, default=here)
    out = parser.parse_args().out
    images, labels, held_out, layers = train()
    quantized = quantize(layers, images[~held_out] / 16.0)
    float_classes = float_forward(layers, images / 16.0)[-1].argmax(axis=1)
    integer_classes = integer_forward(quantized, images).argmax(axis=1)

    accuracy = {
        name: {
            "images": int(mask.sum()),
            "float": float((float_classes[mask] == labels[mask]).mean()),
            "integer": float((integer_classes[mask] == labels[mask]).mean()),
        }
        for name, mask in (("held_out", held_out), ("all", np.ones_like(held_out)))
    }
    for name, row in accuracy.items():
        print(
            f"{name}: {row['images']} images, float {row['float']:.4f}, integer {row['integer']:.4f}"
        )
        assert abs(row["float"] - row["integer"]) <= 0.01, "integer accuracy is off by over 1 point"

    save_file({"images": images, "labels": labels}, out / "digits.safetensors")
    save_file(
        {
            f"layer{i}.{k}": np.ascontiguousarray(v)
            for i, layer in enumerate(quantized)
            for k, v in layer.items()
        },
        out / "weights.safetensors",
    )
    (out / "digits.program").write_bytes(program(len(images), quantized).encode())
    (out / "accuracy.json").write_text(json.dumps(accuracy, indent="\t") + "\n")


if __name__ == "__main__":
    main()
