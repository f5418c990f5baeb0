"""Trains networks in integers and in f32 from the same weights with the same batches, and compares.

Loss is the mean cross-entropy: of the last tenth of the steps while training, and of the test set
after it; accuracy is that of the test set. Both sets of weights are evaluated in f32.

Training amplifies the smallest difference, so a third training shows how much of a difference means
nothing: the control is f32 as well, from first weights that differ by a millionth of their size.
"""

import copy
import csv
import json
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
CONTROL = 1e-6
KINDS = ("float", "control", "integer")


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
    for step, positions in enumerate(order):
        x, y = task.batch(positions)
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = task.rate(step)
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


def perturb(module, seed):
    """Moves every weight by about `CONTROL` of its size."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(1 + CONTROL * torch.randn(weight.shape, generator=generator))


def compare(name, seed, assay, steps):
    """One training of each kind; figures by kind, and the loss curves."""
    torch.manual_seed(seed)
    task = TASKS[name]()
    if steps:
        task.description["steps"] = steps
    order = task.order(seed)
    first, weights = copy.deepcopy(task.module.state_dict()), task.weights()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        integer, learned, summary = train_integer(task, order, weights, seed, assay, folder)
    curves, results, seconds = {"integer": integer}, {}, {"integer": summary["secondsPerStep"]}
    for kind in ("float", "control"):
        task.module.load_state_dict(first)
        if kind == "control":
            perturb(task.module, seed)
        curves[kind], seconds[kind] = train_float(task, order)
        results[kind] = evaluate(task)
    task.load(learned)
    results["integer"] = evaluate(task)
    last = max(1, len(order) // 10)
    return {
        "seed": seed,
        "accuracy": {kind: results[kind][1] for kind in KINDS},
        "testLoss": {kind: results[kind][0] for kind in KINDS},
        "trainLoss": {kind: float(np.mean(curves[kind][-last:])) for kind in KINDS},
        "milliseconds": {kind: 1e3 * seconds[kind] for kind in KINDS},
        "workUnitsPerStep": summary["workUnitsPerStep"],
        "saturated": sum(summary["saturated"].values()),
    }, curves


def train(name, assay, seeds, steps, plots):
    """Figures of a network as means over seeds, and what is outside the bounds."""
    runs, curves = [], []
    for seed in range(seeds):
        run, curve = compare(name, seed, assay, steps)
        runs.append(run)
        curves.append(curve)
        print(f"  seed {seed}: {line(run)}", file=sys.stderr, flush=True)
    figures = ("accuracy", "testLoss", "trainLoss", "milliseconds")
    row = {
        key: {kind: float(np.mean([run[key][kind] for run in runs])) for kind in KINDS}
        for key in figures
    }
    failures = []
    lost = row["accuracy"]["float"] - row["accuracy"]["integer"]
    if lost > ACCURACY_POINTS:
        failures.append(f"accuracy is {lost:.2f} points below f32; the bound is {ACCURACY_POINTS}")
    for key in ("trainLoss", "testLoss"):
        more = 100 * (row[key]["integer"] / row[key]["float"] - 1)
        if more > LOSS_PERCENT:
            failures.append(f"{key} is {more:.2f} % above f32; the bound is {LOSS_PERCENT} %")
    if plots:
        means = {kind: np.mean([curve[kind] for curve in curves], axis=0) for kind in KINDS}
        plots.mkdir(parents=True, exist_ok=True)
        (plots / f"training-{name}.svg").write_text(plot(name, means))
    saturated = sum(run["saturated"] for run in runs)
    return {
        "network": name,
        "seeds": seeds,
        **row,
        "saturated": saturated,
        "failures": failures,
        "runs": runs,
    }


def line(row):
    """Figures as f32, control, integer."""
    parts = []
    for key, label, digits in (
        ("accuracy", "accuracy %", 2),
        ("trainLoss", "training loss", 4),
        ("testLoss", "test loss", 4),
        ("milliseconds", "ms a step", 2),
    ):
        parts.append(f"{label} " + " / ".join(f"{row[key][kind]:.{digits}f}" for kind in KINDS))
    return ", ".join(parts)


def show_training(rows):
    print(
        f"training, means over seeds: f32 PyTorch / the same from weights moved by {CONTROL:g} / integers"
    )
    for row in rows:
        print(
            f"{row['network']:12} {row['seeds']} seeds: {line(row)}, steps with saturation {row['saturated']}"
        )
        for failure in row["failures"]:
            print(f"  FAIL {failure}")
