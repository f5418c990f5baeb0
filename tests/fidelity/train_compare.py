"""Trains networks in integers and in f32 from the same weights with the same batches, and compares.

Loss is the mean cross-entropy: of the last tenth of the steps while training, and of the test set after
it; accuracy is that of the test set. Both sets of weights are evaluated in f32.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from train_models import TASKS
from train_plot import plot

ACCURACY_POINTS = 0.5
LOSS_PERCENT = 2.0


def evaluate(task):
    """Mean loss and accuracy in percent on the test set."""
    x, y = task.test
    with torch.no_grad():
        logits = task.module(x).flatten(0, -2)
        loss = torch.nn.functional.cross_entropy(logits, y.flatten()).item()
        accuracy = 100 * (logits.argmax(1) == y.flatten()).double().mean().item()
    return loss, accuracy


def train_float(task, order):
    """Loss of each step, and seconds of one."""
    optimizer = task.optimizer()
    losses, seconds = [], 0.0
    for positions in order:
        x, y = task.batch(positions)
        started = time.perf_counter()
        optimizer.zero_grad()
        logits = task.module(x).flatten(0, -2)
        loss = torch.nn.functional.cross_entropy(logits, y.flatten())
        loss.backward()
        optimizer.step()
        seconds += time.perf_counter() - started
        losses.append(loss.item())
    return losses, seconds / len(order)


def train_integer(task, order, weights, seed, assay, folder):
    """Loss of each step, learned weights, and what the command said."""
    description = {**task.description, "seed": seed}
    (folder / "description.json").write_text(json.dumps(description))
    np.savez(folder / "data.npz", order=order, **task.data)
    np.savez(folder / "weights.npz", **weights)
    command = [assay, "model", "train", folder / "description.json", "--data", folder / "data.npz"]
    command += ["--weights", folder / "weights.npz", "--output", folder / "learned.npz"]
    command += ["--loss", folder / "loss.csv", "--every", "100", "--json"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{task.name}: assay failed: {result.stdout}{result.stderr}")
    summary = json.loads(result.stdout.splitlines()[-1])
    with open(folder / "loss.csv") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    return losses, dict(np.load(folder / "learned.npz")), summary


def compare(name, seed, assay, steps):
    """One training of both kinds."""
    torch.manual_seed(seed)
    task = TASKS[name]()
    if steps:
        task.description["steps"] = steps
    shape = (task.description["steps"], task.description["batch"])
    order = np.random.default_rng(seed).integers(0, task.examples(), shape)
    weights = task.weights()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        integer, learned, summary = train_integer(task, order, weights, seed, assay, folder)
    floating, float_seconds = train_float(task, order)
    float_loss, float_accuracy = evaluate(task)
    task.load(learned)
    loss, accuracy = evaluate(task)
    tail = max(1, len(order) // 10)
    return {
        "network": name,
        "seed": seed,
        "accuracy": {"float": float_accuracy, "integer": accuracy},
        "test_loss": {"float": float_loss, "integer": loss},
        "train_loss": {"float": np.mean(floating[-tail:]), "integer": np.mean(integer[-tail:])},
        "milliseconds": {"float": 1e3 * float_seconds, "integer": 1e3 * summary["secondsPerStep"]},
        "work_units": summary["workUnitsPerStep"],
        "nodes": summary["nodes"],
        "saturated": sum(summary["saturated"].values()),
    }, (floating, integer)


def summarize(name, results):
    """Means over seeds, and whether they are within the bounds."""
    def mean(key, kind):
        return float(np.mean([result[key][kind] for result in results]))

    points = mean("accuracy", "integer") - mean("accuracy", "float")
    percent = {
        key: 100 * (mean(key, "integer") / mean(key, "float") - 1)
        for key in ("train_loss", "test_loss")
    }
    within = points > -ACCURACY_POINTS and max(percent.values()) < LOSS_PERCENT
    return {
        "network": name,
        "seeds": len(results),
        "accuracy": {kind: mean("accuracy", kind) for kind in ("float", "integer")},
        "accuracy_points": points,
        "train_loss": {kind: mean("train_loss", kind) for kind in ("float", "integer")},
        "train_loss_percent": percent["train_loss"],
        "test_loss": {kind: mean("test_loss", kind) for kind in ("float", "integer")},
        "test_loss_percent": percent["test_loss"],
        "milliseconds": {kind: mean("milliseconds", kind) for kind in ("float", "integer")},
        "saturated": int(sum(result["saturated"] for result in results)),
        "within": bool(within),
    }


def main():
    parser = argparse.ArgumentParser(prog="scripts/fidelity-train", description=__doc__)
    parser.add_argument("--only", choices=TASKS, action="append", help="only this network")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds [default: 5]")
    parser.add_argument("--steps", type=int, help="steps [default: those of the network]")
    parser.add_argument("--json", action="store_true", help="one JSON document for each network")
    parser.add_argument("--plots", type=pathlib.Path, help="write training-NAME.svg there")
    parser.add_argument("--threads", type=int, help="threads of PyTorch [default: all cores]")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or os.cpu_count())
    assay = os.environ.get("ASSAY_BINARY", "assay")
    good = True
    for name in options.only or TASKS:
        results, curves = [], []
        for seed in range(options.seeds):
            result, curve = compare(name, seed, assay, options.steps)
            results.append(result)
            curves.append(curve)
            if not options.json:
                show(result)
        summary = summarize(name, results)
        good &= summary["within"]
        if options.plots:
            path = options.plots / f"training-{name}.svg"
            path.write_text(plot(name, np.mean(curves, axis=0)))
        if options.json:
            print(json.dumps({**summary, "runs": results}), flush=True)
        else:
            show({**summary, "seed": f"mean of {len(results)}"})
            print(f"{name}: {'within' if summary['within'] else 'OUTSIDE'} the bounds", flush=True)
    sys.exit(0 if good else 1)


def show(result):
    """One line."""
    parts = [f"{result['network']:12} seed {result['seed']}"]
    for key, digits in (("accuracy", 2), ("train_loss", 4), ("test_loss", 4), ("milliseconds", 2)):
        pair = result[key]
        parts.append(f"{key} {pair['float']:.{digits}f} → {pair['integer']:.{digits}f}")
    parts.append(f"saturated {result['saturated']}")
    print("  ".join(parts), flush=True)


if __name__ == "__main__":
    main()
