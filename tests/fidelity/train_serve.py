"""Times steps of PyTorch on demand, for assay-bench.

Reads one JSON object a line and answers each with one. `{"network": NAME, "folder": DIR, "threads":
T}` makes a network of train_models.py and writes what trains the same one in integers into DIR;
`{"run": COUNT}` takes COUNT steps, and the answer's `seconds` is what one took.
"""

import json
import pathlib
import sys
import time

import numpy as np
import torch

from train_models import TASKS

STEPS = 4000
SEED = 1


class Training:
    def __init__(self, name, folder):
        torch.manual_seed(SEED)
        self.task = TASKS[name]()
        self.task.description["steps"] = STEPS
        self.order = self.task.order(SEED)
        folder = pathlib.Path(folder)
        (folder / "description.json").write_text(
            json.dumps({**self.task.description, "seed": SEED})
        )
        np.savez(folder / "data.npz", order=self.order, **self.task.data)
        np.savez(folder / "weights.npz", **self.task.weights())
        self.optimizer = self.task.optimizer()
        self.done = 0

    def step(self):
        x, y = self.task.batch(self.order[self.done % STEPS])
        self.done += 1
        self.optimizer.zero_grad()
        logits = self.task.module(x).flatten(0, -2)
        torch.nn.functional.cross_entropy(logits, y.flatten()).backward()
        self.optimizer.step()


def main():
    training = None
    for line in sys.stdin:
        request = json.loads(line)
        if "network" in request:
            torch.set_num_threads(request["threads"])
            training = Training(request["network"], request["folder"])
            answer = {"version": torch.__version__}
        else:
            count = request["run"]
            started = time.perf_counter()
            for _ in range(count):
                training.step()
            answer = {"seconds": (time.perf_counter() - started) / count}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
