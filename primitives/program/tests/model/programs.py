#!/usr/bin/env python3
"""Random programs with what they compute by operators.py, for `cargo test -p assay-program --test
model`.

    programs.py --seed S --count N      writes them to standard output
    programs.py --write | --check       the committed file beside this one, which says how

A program is encoded by section 2 of docs/program-format.md, runs one to three steps, and gives the
values of all outputs after the last one. Every operator occurs, on edge values (all least, all
largest, alternating, of every magnitude), ranks 0 to 6, ragged and exact tiles, and views of every
kind. Needs nothing but Python 3."""

import argparse
import struct
import sys
from math import prod
from pathlib import Path

from encoding import NAMES, TYPES, compact, dims_of, listed, name_of, op_of, raw, type_of, u32
from operators import BITS, I8, I16, I32, Tensor, evaluate, limits, seen

FILE = Path(__file__).with_name("programs.txt")


class Random:
    """SplitMix64, so that a seed means the same with every Python."""

    def __init__(self, seed):
        self.state = seed

    def bits(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        return z ^ z >> 31

    def below(self, bound):
        return self.bits() % bound

    def within(self, low, high):
        return low + self.below(high - low + 1)

    def pick(self, options):
        return options[self.below(len(options))]

    def chance(self, one_in):
        return self.below(one_in) == 0


EAGER, LAZY, VIRTUAL = range(3)


class Node:
    def __init__(self, name, parameters, operands, dtype, dims):
        self.name, self.parameters, self.operands = name, parameters, operands
        self.dtype, self.dims, self.split, self.kind = dtype, dims, None, VIRTUAL


class Maker:
    """One random program. A source is (kind, position) with kinds as in section 2."""

    def __init__(self, rng, large):
        self.rng, self.large = rng, large
        self.inputs, self.states, self.constants, self.nodes = [], [], [], []
        self.read = set()

    # Values, types and shapes.

    def values(self, dtype, dims):
        count, rng = prod(dims), self.rng
        low, high = limits(dtype)
        style = rng.below(7)
        if style == 0:
            data = [low] * count
        elif style == 1:
            data = [high] * count
        elif style == 2:
            data = [(low, high)[i % 2] for i in range(count)]
        elif style == 3:
            data = [rng.within(-3, 3) for _ in range(count)]
        else:
            # Every magnitude as likely as any other.
            data = []
            for _ in range(count):
                x = rng.below(1 << rng.below(BITS[dtype]))
                data.append(-x - 1 if rng.chance(2) else x)
        return Tensor(dtype, dims, data)

    def shape(self, rank=None):
        rng = self.rng
        rank = rng.pick([0, 1, 1, 2, 2, 2, 3, 4, 5, 6]) if rank is None else rank
        most = [1, 40, 9, 5, 3, 3, 2][rank]
        if self.large:
            most = [1, 1100, 45, 12, 6, 4, 3][rank]
        dims = [rng.within(1, most) for _ in range(rank)]
        # Now and then exactly a tile's edge, or one more.
        if rank and rng.chance(6):
            dims[-1] = rng.pick([16, 32, 33]) if rank < 3 else dims[-1]
        return tuple(dims)

    def some(self, low, high):
        return self.rng.within(low, high if not self.large else 4 * high)

    def split(self, dims):
        rank = len(dims)
        return 0 if rank < 2 else self.rng.within(1, rank - 1)

    # Operands.

    def source_type(self, source):
        kind, at = source
        if kind == 0:
            return self.inputs[at][:2]
        if kind == 1:
            return self.constants[at][0].dtype, self.constants[at][0].dims
        if kind == 2:
            return self.inputs[self.states[at][0]][:2]
        return self.nodes[at].dtype, self.nodes[at].dims

    def fresh(self, dtype, dims, values=None):
        values = values or self.values(dtype, dims)
        split = len(dims) - 1 if dims else 0
        split = self.split(dims) if self.rng.chance(2) else split
        if self.rng.chance(3):
            self.constants.append((values, split))
            return 1, len(self.constants) - 1
        self.inputs.append((dtype, dims, split, values))
        return 0, len(self.inputs) - 1

    def sources(self, dtype):
        found = [(0, at) for at in range(len(self.inputs))]
        found += [(1, at) for at in range(len(self.constants))]
        found += [(2, at) for at in range(len(self.states))]
        found += [(3, at) for at in range(len(self.nodes))] * 3
        return [source for source in found if self.source_type(source)[0] == dtype]

    def view(self, of, dims):
        """Some view of a tensor of shape `of` that looks like `dims`."""
        rng, count = self.rng, prod(of)
        rows = [prod(of[at + 1 :]) for at in range(len(of))]
        strides = [rng.pick(rows + [0, 1, 1, 2, 3]) for _ in dims]
        if prod(dims) <= count and rng.chance(3):
            strides = [prod(dims[at + 1 :]) for at in range(len(dims))]
        reach = lambda: sum((dim - 1) * stride for dim, stride in zip(dims, strides))
        while reach() >= count:
            strides[rng.below(len(strides))] = 0
        if strides and rng.chance(4):
            # Where nothing moves any distance is allowed.
            at = rng.below(len(strides))
            if dims[at] == 1:
                strides[at] = rng.pick([7, 1 << 20, (1 << 32) - 1])
        return dims, rng.below(count - reach()), strides

    def operand(self, dtype, dims, values=None):
        found = self.sources(dtype)
        if values or not found or self.rng.chance(4):
            return self.fresh(dtype, dims, values), None
        source = found[max(0, len(found) - 1 - self.rng.below(9))]
        self.read.add(source)
        of = self.source_type(source)[1]
        if of == dims and not self.rng.chance(3):
            return source, None
        return source, self.view(of, dims)

    # Nodes.

    def add(self, name, p, operands, dtype, dims):
        assert prod(dims) <= 1 << 20
        for source, _ in operands:
            self.read.add(source)
        node = Node(name, p, operands, dtype, tuple(dims))
        if self.rng.chance(3):
            node.split = self.split(dims)
        node.kind = self.rng.pick([VIRTUAL] * 4 + [EAGER, LAZY])
        self.nodes.append(node)
        return 3, len(self.nodes) - 1

    def narrow(self):
        rng = self.rng
        if rng.chance(2):
            return I8, None
        multiplier = rng.pick([-(1 << 15), -1, 0, 1, 300, 20_000, (1 << 15) - 1])
        return I16, (multiplier, rng.pick([-128, -31, -3, 0, 7, 20, 30, 62, 127]), rng.pick(TYPES))

    def third(self, narrow):
        if narrow is None or self.rng.chance(2):
            return []
        return [self.operand(I8, (1,))]

    def parameter(self, dtype, n):
        return self.operand(dtype, (self.rng.pick([1, n]),))

    def node(self, name):
        rng = self.rng
        a, to = rng.pick(TYPES), rng.pick(TYPES)
        dims = self.shape()
        shift = rng.pick([-128, -31, -2, 0, 1, 7, 15, 31, 62, 127])
        fraction = rng.pick([0, 1, 8, 15, 29, 30])
        kind, epsilon = rng.pick(["layer", "rms"]), rng.pick([0, 1, 1000, (1 << 32) - 1])
        if name in ("Add", "Sub", "Mul"):
            operands = [self.operand(a, dims), self.operand(rng.pick(TYPES), dims)]
            return self.add(name, {"to": to}, operands, to, dims)
        if name == "MulShift":
            operands = [self.operand(a, dims), self.operand(rng.pick(TYPES), dims)]
            return self.add(name, {"shift": shift, "to": to}, operands, to, dims)
        if name in ("Max", "Min"):
            return self.add(name, {}, [self.operand(a, dims), self.operand(a, dims)], a, dims)
        if name == "Compare":
            operands = [self.operand(a, dims), self.operand(rng.pick(TYPES), dims)]
            relation = rng.pick(["equal", "less", "less or equal"])
            return self.add(name, {"relation": relation}, operands, I8, dims)
        if name == "Select":
            condition = self.operand(rng.pick(TYPES), dims)
            operands = [condition, self.operand(a, dims), self.operand(a, dims)]
            return self.add(name, {}, operands, a, dims)
        if name == "Clamp":
            low, high = limits(a)
            lo, hi = sorted(rng.pick([low, high, 0, -3, 5, rng.within(low, high)]) for _ in "ab")
            return self.add(name, {"lo": lo, "hi": hi}, [self.operand(a, dims)], a, dims)
        if name == "Shift":
            return self.add(name, {"by": shift, "to": to}, [self.operand(a, dims)], to, dims)
        if name == "Cast":
            return self.add(name, {"to": to}, [self.operand(a, dims)], to, dims)
        if name == "Copy":
            return self.add(name, {}, [self.operand(a, dims)], a, dims)
        if name == "BitLen":
            return self.add(name, {}, [self.operand(a, dims)], I8, dims)
        if name == "Rsqrt":
            return self.add(name, {"shift": fraction}, [self.operand(a, dims)], I32, dims)
        if name == "IntDiv":
            operands = [self.operand(a, dims), self.operand(rng.pick(TYPES), dims)]
            return self.add(name, {"shift": fraction, "to": to}, operands, to, dims)
        if name in ("ShiftBy", "ShiftRandom"):
            by = self.operand(I8, rng.pick([dims, (1,)]))
            operands = [self.operand(a, dims), by]
            operands += [self.operand(I32, dims)] if name == "ShiftRandom" else []
            return self.add(name, {"to": to}, operands, to, dims)
        if name == "Lut":
            operands = [self.operand(I8, dims), self.operand(to, (256,))]
            return self.add(name, {}, operands, to, dims)
        if name == "LutInterp":
            to, points = rng.pick([I16, I32]), (1 << rng.within(1, 14 if self.large else 5)) + 1
            operands = [self.operand(I16, dims), self.operand(to, (points,))]
            return self.add(name, {}, operands, to, dims)
        if name in ("Iota", "Philox"):
            dims = self.shape(rng.within(1, 6))
            if name == "Iota":
                axis = rng.below(len(dims))
                return self.add(name, {"shape": dims, "axis": axis}, [], I32, dims)
            operands = [self.operand(I32, (2,)), self.operand(I32, (1,))]
            p = {"shape": dims, "stream": rng.below(1 << 32)}
            return self.add(name, p, operands, I32, dims)
        # From here on there is at least one dimension.
        dims = dims or self.shape(1)
        rank, axis = len(dims), rng.below(len(dims))
        without = dims[:axis] + dims[axis + 1 :]
        if name == "Requant":
            to, n = rng.pick([I8, I16]), dims[-1]
            operands = [self.operand(I32, dims), self.parameter(I16, n), self.parameter(I8, n)]
            operands += [self.parameter(I32, n)] if rng.chance(2) else []
            return self.add(name, {"to": to}, operands, to, dims)
        if name == "ReduceSum":
            return self.add(name, {"axis": axis, "to": to}, [self.operand(a, dims)], to, without)
        if name in ("ReduceMax", "ArgMax"):
            to = a if name == "ReduceMax" else I32
            return self.add(name, {"axis": axis}, [self.operand(a, dims)], to, without)
        if name == "ReduceSumProduct":
            b = rng.pick([I8, I16]) if a == I32 else rng.pick(TYPES)
            operands = [self.operand(a, dims), self.operand(b, dims)]
            p = {"axis": axis, "shift": shift, "to": to}
            return self.add(name, p, operands, to, without)
        if name == "MatMul":
            dtype, narrow = self.narrow()
            n, k = self.some(1, 9), dims[-1]
            operands = [self.operand(dtype, dims), self.operand(dtype, (n, k))] + self.third(narrow)
            to = narrow[2] if narrow else I32
            return self.add(name, {"narrow": narrow}, operands, to, dims[:-1] + (n,))
        if name == "BatchMatMul":
            dtype, narrow = self.narrow()
            batch = tuple(rng.within(1, 3) for _ in range(rng.within(1, 4)))
            m, n, k = self.some(1, 5), self.some(1, 5), self.some(1, 9)
            operands = [self.operand(dtype, batch + (m, k)), self.operand(dtype, batch + (n, k))]
            operands += self.third(narrow)
            to = narrow[2] if narrow else I32
            return self.add(name, {"narrow": narrow}, operands, to, batch + (m, n))
        if name == "Conv2d":
            return self.conv2d()
        if name == "Pool":
            return self.pool(a, to)
        if name == "Gather":
            return self.gather(a, dims)
        if name == "ScatterAdd":
            rows = self.some(1, 9)
            index = rng.pick(TYPES)
            indices = self.operand(index, dims[:1], self.indices(index, dims[:1], rows))
            p = {"rows": rows, "to": to}
            return self.add(name, p, [self.operand(a, dims), indices], to, (rows,) + dims[1:])
        if name == "Concat":
            many = []
            for _ in range(rng.pick([1, 2, 3, 16])):
                many.append(dims[:axis] + (rng.within(1, 4),) + dims[axis + 1 :])
            whole = dims[:axis] + (sum(d[axis] for d in many),) + dims[axis + 1 :]
            operands = [self.operand(a, d) for d in many]
            return self.add(name, {"axis": axis}, operands, a, whole)
        if name == "Pad":
            low, high = rng.below(4), rng.below(4)
            value = rng.pick([*limits(a), 0, 1])
            p = {"axis": axis, "low": low, "high": high, "value": value}
            whole = dims[:axis] + (dims[axis] + low + high,) + dims[axis + 1 :]
            return self.add(name, p, [self.operand(a, dims)], a, whole)
        if name == "CumSum":
            p = {"exclusive": bool(rng.below(2)), "reverse": bool(rng.below(2)), "to": to}
            return self.add(name, p, [self.operand(a, dims)], to, dims)
        if name == "TopK":
            p = {"k": rng.within(1, dims[-1]), "values": bool(rng.below(2))}
            to = a if p["values"] else I32
            return self.add(name, p, [self.operand(a, dims)], to, dims[:-1] + (p["k"],))
        if name == "Softmax":
            to = rng.pick([I8, I16])
            multiplier = rng.pick([-(1 << 15), 0, 1, 1477, (1 << 15) - 1])
            p = {"multiplier": multiplier, "shift": rng.pick([-128, -1, 0, 10, 30, 62]), "to": to}
            return self.add(name, p, [self.operand(a, dims)], to, dims)
        if name == "Norm":
            n = dims[-1]
            p = {
                "kind": kind,
                "epsilon": epsilon,
                "to": to,
                "shift": rng.pick([-128, -16, 0, 3, 46, 127]),
            }
            operands = [self.operand(I16, dims), self.parameter(I16, n), self.parameter(I32, n)]
            return self.add(name, p, operands, to, dims)
        if name == "RowScale":
            p = {"kind": kind, "epsilon": epsilon, "shift": fraction}
            return self.add(name, p, [self.operand(I16, dims)], I32, dims[:-1])
        raise ValueError(name)

    def conv2d(self):
        rng = self.rng
        dtype, narrow = self.narrow()
        groups = rng.pick([1, 1, 2, 3])
        per_group, outputs = rng.within(1, 3), groups * rng.within(1, 3)
        while True:
            size = [self.some(1, 6) for _ in "hw"]
            kernel = [rng.within(1, 4) for _ in "hw"]
            stride, inner, outer = ([rng.pick([1, 1, 2, 3]) for _ in "hw"] for _ in "abc")
            pad = [[rng.within(-2, 3) for _ in "lh"] for _ in "hw"]
            room = [
                (size[d] - 1) * inner[d] + 1 + sum(pad[d]) - (kernel[d] - 1) * outer[d] - 1
                for d in (0, 1)
            ]
            if min(room) >= 0:
                break
        count = [room[d] // stride[d] + 1 for d in (0, 1)]
        batch = rng.within(1, 2)
        operands = [
            self.operand(dtype, (batch, *size, groups * per_group)),
            self.operand(dtype, (outputs, *kernel, per_group)),
        ]
        p = {"geometry": (stride, pad, inner, outer, bool(rng.below(2)), groups), "narrow": narrow}
        to = narrow[2] if narrow else I32
        return self.add("Conv2d", p, operands + self.third(narrow), to, (batch, *count, outputs))

    def pool(self, a, to):
        rng = self.rng
        while True:
            size, kernel = ([self.some(1, 6) for _ in "hw"], [rng.within(1, 4) for _ in "hw"])
            pad = [[rng.below(kernel[d]) for _ in "lh"] for d in (0, 1)]
            if all(size[d] + sum(pad[d]) >= kernel[d] for d in (0, 1)):
                break
        stride = [rng.within(1, 3) for _ in "hw"]
        count = [(size[d] + sum(pad[d]) - kernel[d]) // stride[d] + 1 for d in (0, 1)]
        batch, channels = rng.within(1, 2), rng.within(1, 5)
        p = {
            "kind": rng.pick(["max", "sum"]),
            "kernel": kernel,
            "stride": stride,
            "pad": pad,
            "to": to,
        }
        x = self.operand(a, (batch, *size, channels))
        return self.add("Pool", p, [x], to, (batch, *count, channels))

    def indices(self, dtype, dims, rows):
        """Half of the time mostly inside."""
        if self.rng.chance(2):
            return None
        high = min(rows, limits(dtype)[1])
        return Tensor(dtype, dims, (self.rng.within(-1, high) for _ in range(prod(dims))))

    def gather(self, a, dims):
        rng = self.rng
        table, index = self.operand(a, dims), rng.pick(TYPES)
        shape = self.shape(rng.below(7 - len(dims[1:])) if len(dims) > 1 else rng.below(4))
        while len(shape) + len(dims) - 1 > 6 or prod(shape) * prod(dims[1:]) > 20_000:
            shape = shape[1:]
        indices = self.operand(index, shape, self.indices(index, shape, dims[0]))
        for (kind, at), _ in (table, indices):
            # Neither may be a virtual node.
            if kind == 3 and self.nodes[at].kind == VIRTUAL:
                self.nodes[at].kind = rng.pick([EAGER, LAZY])
        return self.add("Gather", {}, [table, indices], a, shape + dims[1:])

    def finish(self):
        """Updates of states; whatever is not read becomes an output."""
        for at, (start, _) in enumerate(self.states):
            dtype, dims, split, _ = self.inputs[start]
            other = self.operand(self.rng.pick(TYPES), dims)
            _, node = self.add("Add", {"to": dtype}, [((2, at), None), other], dtype, dims)
            self.nodes[node].split, self.nodes[node].kind = split, EAGER
            self.states[at] = (start, node)
            self.read.add((3, node))
        self.outputs = [at for at in range(len(self.nodes)) if (3, at) not in self.read]
        self.outputs = self.outputs or [len(self.nodes) - 1]
        for at in self.outputs:
            self.nodes[at].kind = EAGER

    def encode(self):
        inputs = [name_of(f"in-{at}") + type_of(*given[:3]) for at, given in enumerate(self.inputs)]
        states = [struct.pack("<HI", *state) for state in self.states]
        constants = []
        for values, split in self.constants:
            data = raw(values)
            constants.append(type_of(values.dtype, values.dims, split) + compact(len(data)) + data)
        nodes = []
        for node in self.nodes:
            operands = []
            for (kind, at), view in node.operands:
                source = bytes([kind]) + (u32(at) if kind == 3 else struct.pack("<H", at))
                if view is None:
                    operands.append(source + b"\0")
                else:
                    dims, offset, strides = view
                    shown = dims_of(dims) + u32(offset) + listed([u32(s) for s in strides])
                    operands.append(source + b"\1" + shown)
            split = b"\0" if node.split is None else bytes([1, node.split])
            op = op_of(node.name, node.parameters)
            nodes.append(op + listed(operands) + split + bytes([node.kind]))
        outputs = [name_of(f"out/{at}") + u32(node) for at, node in enumerate(self.outputs)]
        head = b"ASSAYP\1" + struct.pack("<H", 1)
        return head + b"".join(map(listed, (inputs, states, constants, nodes, outputs)))

    def run(self, steps):
        """The results of the last step."""
        state = [self.inputs[start][3] for start, _ in self.states]
        for _ in range(steps):
            results = []
            for node in self.nodes:
                operands = []
                for (kind, at), view in node.operands:
                    if kind == 0:
                        tensor = self.inputs[at][3]
                    elif kind == 1:
                        tensor = self.constants[at][0]
                    else:
                        tensor = state[at] if kind == 2 else results[at]
                    operands.append(tensor if view is None else seen(tensor, *view))
                result = evaluate(node.name, node.parameters, operands)
                assert (result.dtype, result.dims) == (node.dtype, node.dims), node.name
                results.append(result)
            state = [results[update] for _, update in self.states]
        return results


def program(seed, at, large, names, of):
    """Program number `at` of operators `of`: its first one is that of its number in `names`, so that all occur."""
    rng = Random(seed * 1_000_003 + at)
    maker = Maker(rng, large)
    for _ in range(rng.pick([0, 0, 1, 2])):
        dtype, dims = rng.pick(TYPES), maker.shape()
        maker.inputs.append((dtype, dims, maker.split(dims), maker.values(dtype, dims)))
        start = len(maker.inputs) - 1
        for _ in range(rng.pick([1, 1, 2])):
            maker.states.append((start, None))
    maker.node(names[at % len(names)])
    for _ in range(rng.within(1, 9 if large else 4)):
        maker.node(rng.pick(of))
    maker.finish()
    steps = rng.within(1, 3) if maker.states else 1
    results = maker.run(steps)
    lines = [f"program {steps} {maker.encode().hex()}"]
    lines += ["in " + raw(values).hex() for _, _, _, values in maker.inputs]
    lines += ["out " + raw(results[node]).hex() for node in maker.outputs]
    return lines


def text(seed, count, large, first=0, until=len(NAMES)):
    lines = [f"# programs.py --seed {seed} --count {count}" + (" --large" if large else "")]
    lines[0] += f" --first {first}" if first else ""
    lines[0] += f" --until {until}" if until < len(NAMES) else ""
    for at in range(count):
        lines += program(seed, at, large, NAMES[first:until], NAMES[:until])
    return "\n".join(lines) + "\n"


# What is committed: operators that came later stand in programs that came later, so that nothing
# that is there changes.
COMMITTED = [
    dict(seed=1, count=152, large=False, until=38),
    dict(seed=2, count=12, large=False, first=38),
]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=4 * len(NAMES))
    arguments.add_argument("--large", action="store_true", help="tensors of several tiles")
    arguments.add_argument(
        "--first", type=int, default=0, help="programs begin with operators from this one on"
    )
    arguments.add_argument(
        "--until", type=int, default=len(NAMES), help="only operators before this one"
    )
    arguments.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    arguments.add_argument("--check", action="store_true", help=f"compare with {FILE.name}")
    given = arguments.parse_args()
    if given.write or given.check:
        made = "".join(text(**part) for part in COMMITTED)
    if given.write:
        FILE.write_text(made)
        print(f"{len(made)} bytes in {FILE.name}")
    elif given.check:
        if FILE.read_text() != made:
            sys.exit(f"{FILE} is not what programs.py --write gives")
        print(f"{FILE.name} is what the model gives")
    else:
        sys.stdout.write(text(given.seed, given.count, given.large, given.first, given.until))


if __name__ == "__main__":
    main()
