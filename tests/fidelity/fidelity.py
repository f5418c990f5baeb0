#!/usr/bin/env python3
"""Compares what integers compute with float32: imported models with onnxruntime, training with
PyTorch.

Fails when a figure is outside its bound.
"""

import argparse
import json
import pathlib
import sys

from import_compare import measure, node_tests, prepare, show_models, show_node_tests
from models import MODELS
from train_compare import show_training, train
from train_models import TASKS

NODE_TESTS = "node-tests"


def options():
    names = [*MODELS, NODE_TESTS, *TASKS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--assay", default="assay", help="the client's binary")
    parser.add_argument(
        "--folder",
        type=pathlib.Path,
        default=pathlib.Path("fidelity"),
        help="where models are made",
    )
    parser.add_argument("--only", help=f"a comma-separated choice of: {', '.join(names)}")
    parser.add_argument("--prepare", action="store_true", help="make the models and end")
    parser.add_argument("--json", action="store_true", help="print one document")
    parser.add_argument(
        "--import-options", default="", help="further options of assay model import, in one text"
    )
    parser.add_argument(
        "--seeds", type=int, default=5, help="trainings of each network [default: 5]"
    )
    parser.add_argument(
        "--steps", type=int, help="steps of a training [default: those of the network]"
    )
    parser.add_argument(
        "--plots", type=pathlib.Path, help="write training-NAME.svg into this folder"
    )
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else names
    unknown = [name for name in chosen if name not in names]
    if unknown:
        parser.error(f"--only takes {', '.join(names)}, not {', '.join(unknown)}")
    for name in ("seeds", "steps"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return arguments, chosen


def main():
    arguments, chosen = options()
    if arguments.prepare:
        for name, make in MODELS.items():
            prepare(name, make, arguments.folder / name)
        return
    rows, nodes, trainings = [], None, []
    for name in chosen:
        print(f"fidelity: {name}", file=sys.stderr, flush=True)
        if name == NODE_TESTS:
            nodes = node_tests(arguments.assay)
        elif name in TASKS:
            trainings.append(
                train(name, arguments.assay, arguments.seeds, arguments.steps, arguments.plots)
            )
        else:
            folder = arguments.folder / name
            rows.append(
                measure(
                    name, MODELS[name], arguments.assay, folder, arguments.import_options.split()
                )
            )
    if arguments.json:
        print(json.dumps({"models": rows, "nodeTests": nodes, "training": trainings}))
    else:
        if rows:
            show_models(rows)
        if nodes:
            show_node_tests(nodes)
        if trainings:
            show_training(trainings)
    failed = [row["model"] for row in rows if row["failures"]]
    failed += [NODE_TESTS] if nodes and nodes["failed"] else []
    failed += [training["network"] for training in trainings if training["failures"]]
    if failed:
        raise SystemExit(f"fidelity: outside the bounds: {', '.join(failed)}")


if __name__ == "__main__":
    main()
