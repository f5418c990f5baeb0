"""Operator set 1 in unbounded integers: a second implementation, written from docs/program-format.md
alone.

Whatever the crates do in fixed width, this does in Python's integers and by the sentences of
section 6, without regard to speed. It shares no code, and no table, with them."""

from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import isqrt, prod

I8, I16, I32 = "i8", "i16", "i32"
BITS = {I8: 8, I16: 16, I32: 32}


class Tensor:
    """Element type, dimensions (slowest first) and elements in row-major order."""

    def __init__(self, dtype, dims, data):
        self.dtype, self.dims, self.data = dtype, tuple(dims), list(data)
        assert len(self.data) == prod(self.dims), (self.dims, len(self.data))
        low, high = limits(dtype)
        assert all(low <= x <= high for x in self.data)

    def strides(self):
        return [prod(self.dims[at + 1 :]) for at in range(len(self.dims))]

    def at(self, *index):
        return self.data[sum(i * s for i, s in zip(index, self.strides()))]


def limits(dtype):
    half = 1 << (BITS[dtype] - 1)
    return -half, half - 1


def sat(x, dtype):
    low, high = limits(dtype)
    return min(max(x, low), high)


def rs(x, s):
    """x / 2^s, half up."""
    if s > 0:
        s = min(s, 62)
        return (x + (1 << (s - 1))) >> s
    big = x << min(-s, 31)
    return min(max(big, -(1 << 63)), (1 << 63) - 1)


def seen(tensor, dims, offset, strides):
    """A tensor through a view."""
    spots = product(*(range(dim) for dim in dims))
    picked = (tensor.data[offset + sum(i * s for i, s in zip(spot, strides))] for spot in spots)
    return Tensor(tensor.dtype, dims, picked)


def nearest(square):
    """The integer nearest to the root of a non-negative fraction, halves up."""
    # n is the answer where (2n - 1)^2 <= 4 * square < (2n + 1)^2.
    return (isqrt(4 * square.numerator // square.denominator) + 1) // 2


def each(function, dtype, *operands):
    dims = operands[0].dims
    assert all(operand.dims == dims for operand in operands)
    return Tensor(dtype, dims, (function(*xs) for xs in zip(*(o.data for o in operands))))


def spread(operand, count):
    """A parameter of one element, or one for each."""
    return operand.data * count if len(operand.data) == 1 else operand.data


def split_axis(dims, axis):
    return prod(dims[:axis]), dims[axis], prod(dims[axis + 1 :])


def reduced(operands, axis, dtype, function):
    dims = operands[0].dims
    outer, length, inner = split_axis(dims, axis)
    result = []
    for o in range(outer):
        for j in range(inner):
            spots = [(o * length + r) * inner + j for r in range(length)]
            result.append(function(*([x.data[spot] for spot in spots] for x in operands)))
    return Tensor(dtype, dims[:axis] + dims[axis + 1 :], result)


def narrowed(total, narrow, third):
    if narrow is None:
        assert -(1 << 31) <= total < 1 << 31
        return total
    multiplier, shift, to = narrow
    more = third.data[0] if third else 0
    return sat(rs(total * multiplier, min(max(shift + more, -31), 62)), to)


def result_type(narrow):
    return I32 if narrow is None else narrow[2]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def matmul(operands, narrow):
    a, b, *third = operands
    k, n = a.dims[-1], b.dims[0]
    left = [a.data[at : at + k] for at in range(0, len(a.data), k)]
    right = [b.data[at : at + k] for at in range(0, len(b.data), k)]
    third = third[0] if third else None
    data = [narrowed(dot(x, y), narrow, third) for x in left for y in right]
    return Tensor(result_type(narrow), a.dims[:-1] + (n,), data)


def batch_matmul(operands, narrow):
    a, b, *third = operands
    batch, (m, k), n = a.dims[:-2], a.dims[-2:], b.dims[-2]
    data = []
    for at in range(prod(batch)):
        left = Tensor(a.dtype, (m, k), a.data[at * m * k : (at + 1) * m * k])
        right = Tensor(b.dtype, (n, k), b.data[at * n * k : (at + 1) * n * k])
        data += matmul([left, right] + third, narrow).data
    return Tensor(result_type(narrow), batch + (m, n), data)


def conv2d(operands, narrow, stride, pad, input_dilation, kernel_dilation, flip, groups):
    x, w, *third = operands
    batch, *size, channels = x.dims
    outputs, kh, kw, per_group = w.dims
    kernel = (kh, kw)
    assert channels == per_group * groups
    dilated = [(size[d] - 1) * input_dilation[d] + 1 for d in (0, 1)]
    reach = [(kernel[d] - 1) * kernel_dilation[d] + 1 for d in (0, 1)]
    count = [(dilated[d] + pad[d][0] + pad[d][1] - reach[d]) // stride[d] + 1 for d in (0, 1)]

    def place(d, o, i):
        spot = o * stride[d] - pad[d][0] + i * kernel_dilation[d]
        if not 0 <= spot < dilated[d] or spot % input_dilation[d]:
            return None
        return spot // input_dilation[d]

    data = []
    for n, y, z, o in product(range(batch), range(count[0]), range(count[1]), range(outputs)):
        group, total = o // (outputs // groups), 0
        for i, j in product(range(kh), range(kw)):
            h, v = place(0, y, i), place(1, z, j)
            if h is None or v is None:
                continue
            tap = (kh - 1 - i, kw - 1 - j) if flip else (i, j)
            for c in range(per_group):
                total += x.at(n, h, v, group * per_group + c) * w.at(o, *tap, c)
        data.append(narrowed(total, narrow, third[0] if third else None))
    return Tensor(result_type(narrow), (batch, *count, outputs), data)


def pool(x, kind, kernel, stride, pad, to):
    batch, height, width, channels = x.dims
    count = [(s + sum(pad[d]) - kernel[d]) // stride[d] + 1 for d, s in enumerate((height, width))]
    data = []
    for n, y, z, c in product(range(batch), range(count[0]), range(count[1]), range(channels)):
        window = []
        for i, j in product(range(kernel[0]), range(kernel[1])):
            h, v = y * stride[0] - pad[0][0] + i, z * stride[1] - pad[1][0] + j
            if 0 <= h < height and 0 <= v < width:
                window.append(x.at(n, h, v, c))
        data.append(sat(max(window) if kind == "max" else sum(window), to))
    return Tensor(to, (batch, *count, channels), data)


@lru_cache(None)
def exp2(f):
    """The integer nearest to 2^(30 - f/1024)."""
    # Of n + 1/2 and the power the 1,024th powers are compared: bisection between 2^29 and 2^30.
    low, high = 1 << 29, 1 << 30
    power = 1 << (30 * 1024 - f)
    while low < high:
        middle = (low + high) // 2
        if (2 * middle + 1) ** 1024 <= power << 1024:
            low = middle + 1
        else:
            high = middle
    return low


def softmax(a, multiplier, shift, to):
    n = a.dims[-1]
    q = 7 if to == I8 else 15
    data = []
    for at in range(0, len(a.data), n):
        row = a.data[at : at + n]
        e = []
        for x in row:
            t = max(0, rs((max(row) - x) * multiplier, shift))
            e.append(0 if t >= 31 * 1024 else exp2(t % 1024) >> (t // 1024))
        total = sum(e)
        for x in e:
            exact = Fraction(x << q, total) + Fraction(1, 2)
            data.append(sat(exact.numerator // exact.denominator, to))
    return Tensor(to, a.dims, data)


def variance(row, kind, epsilon):
    n = len(row)
    v = n * sum(x * x for x in row) + epsilon * n * n
    return v - sum(row) ** 2 if kind == "layer" else v


def norm(operands, kind, epsilon, to, shift):
    x, gamma, beta = operands
    n = x.dims[-1]
    gammas, betas = spread(gamma, n), spread(beta, n)
    shift = min(max(16 + shift, -31), 62)
    data = []
    for at in range(0, len(x.data), n):
        row = x.data[at : at + n]
        v = variance(row, kind, epsilon)
        mean = sum(row) if kind == "layer" else 0
        h = r = 0
        if v:
            while v << (2 * h) < 1 << 62:
                h += 1
            r = nearest(Fraction(1 << 124, v << (2 * h)))
        for value, g, b in zip(row, gammas, betas):
            z = rs((n * value - mean) * r, 46 - h) if v else 0
            data.append(sat(rs(z * g + (b << 16), shift), to))
    return Tensor(to, x.dims, data)


def row_scale(x, kind, epsilon, shift):
    n = x.dims[-1]
    data = []
    for at in range(0, len(x.data), n):
        v = variance(x.data[at : at + n], kind, epsilon)
        data.append(sat(nearest(Fraction(n * n << (2 * shift), v)), I32) if v else 0)
    return Tensor(I32, x.dims[:-1], data)


def philox(counter, key):
    """Philox4x32-10 of Salmon, Moraes, Dror and Shaw."""
    c, k, word = list(counter), list(key), (1 << 32) - 1
    for _ in range(10):
        one, two = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [two >> 32 ^ c[1] ^ k[0], two & word, one >> 32 ^ c[3] ^ k[1], one & word]
        k = [(k[0] + 0x9E3779B9) & word, (k[1] + 0xBB67AE85) & word]
    return c


def signed(word):
    return word - (1 << 32) if word >> 31 else word


def lut_interp(a, table):
    p = (len(table.data) - 1).bit_length() - 1
    assert len(table.data) == (1 << p) + 1
    f, data = 16 - p, []
    for x in a.data:
        u = x + (1 << 15)
        i, r = u >> f, u % (1 << f)
        left, right = table.data[i], table.data[i + 1]
        data.append(left + rs((right - left) * r, f))
    return Tensor(table.dtype, a.dims, data)


def gather(table, indices):
    rows, rest = table.dims[0], table.dims[1:]
    width, data = prod(rest), []
    for row in indices.data:
        inside = 0 <= row < rows
        data += table.data[row * width : (row + 1) * width] if inside else [0] * width
    return Tensor(table.dtype, indices.dims + rest, data)


def scatter_add(updates, indices, rows, to):
    rest = updates.dims[1:]
    width = prod(rest)
    sums = [0] * (rows * width)
    for n, row in enumerate(indices.data):
        if 0 <= row < rows:
            for j in range(width):
                sums[row * width + j] += updates.data[n * width + j]
    return Tensor(to, (rows,) + rest, (sat(x, to) for x in sums))


def concat(operands, axis):
    dims = list(operands[0].dims)
    outer = prod(dims[:axis])
    data = []
    for o in range(outer):
        for x in operands:
            chunk = prod(x.dims[axis:])
            data += x.data[o * chunk : (o + 1) * chunk]
    dims[axis] = sum(x.dims[axis] for x in operands)
    return Tensor(operands[0].dtype, dims, data)


def padded(a, axis, low, high, value):
    outer, _, inner = split_axis(a.dims, axis)
    chunk, data = prod(a.dims[axis:]), []
    for o in range(outer):
        data += (
            [value] * (low * inner) + a.data[o * chunk : (o + 1) * chunk] + [value] * (high * inner)
        )
    dims = list(a.dims)
    dims[axis] += low + high
    return Tensor(a.dtype, dims, data)


def top_k(a, k, values):
    n, data = a.dims[-1], []
    for at in range(0, len(a.data), n):
        row = a.data[at : at + n]
        best = sorted(range(n), key=lambda i: (-row[i], i))[:k]
        data += [row[i] for i in best] if values else best
    return Tensor(a.dtype if values else I32, a.dims[:-1] + (k,), data)


def cum_sum(a, exclusive, reverse, to):
    n, data = a.dims[-1], []
    for at in range(0, len(a.data), n):
        row = a.data[at : at + n][::-1] if reverse else a.data[at : at + n]
        sums = [sat(sum(row[: i if exclusive else i + 1]), to) for i in range(n)]
        data += sums[::-1] if reverse else sums
    return Tensor(to, a.dims, data)


def int_div(a, b, shift, to):
    if b == 0:
        return 0
    exact = Fraction(a << shift, b) + Fraction(1, 2)
    return sat(exact.numerator // exact.denominator, to)


def shift_random(a, s, bits, to):
    if s <= 0:
        return sat(rs(a, s), to)
    s = min(s, 31)
    return sat((a + bits % (1 << s)) >> s, to)


def evaluate(name, parameters, operands):
    """The result of one operator on tensors as its views show them."""
    p, first = parameters, operands[0] if operands else None
    if name == "MatMul":
        return matmul(operands, p["narrow"])
    if name == "BatchMatMul":
        return batch_matmul(operands, p["narrow"])
    if name == "Conv2d":
        return conv2d(operands, p["narrow"], *p["geometry"])
    if name == "Pool":
        return pool(first, p["kind"], p["kernel"], p["stride"], p["pad"], p["to"])
    if name == "Requant":
        n = first.dims[-1]
        columns = [spread(x, n) for x in operands[1:]]
        biases = columns[2] if len(columns) > 2 else [0] * n
        data = [
            sat(rs((x + biases[i % n]) * columns[0][i % n], columns[1][i % n]), p["to"])
            for i, x in enumerate(first.data)
        ]
        return Tensor(p["to"], first.dims, data)
    if name in ("Add", "Sub", "Mul", "MulShift"):
        function = {
            "Add": lambda a, b: a + b,
            "Sub": lambda a, b: a - b,
            "Mul": lambda a, b: a * b,
            "MulShift": lambda a, b: rs(a * b, p["shift"]),
        }[name]
        return each(lambda a, b: sat(function(a, b), p["to"]), p["to"], *operands)
    if name in ("Max", "Min"):
        return each(max if name == "Max" else min, first.dtype, *operands)
    if name == "Clamp":
        return each(lambda a: min(max(a, p["lo"]), p["hi"]), first.dtype, first)
    if name == "Shift":
        return each(lambda a: sat(rs(a, p["by"]), p["to"]), p["to"], first)
    if name == "Cast":
        return each(lambda a: sat(a, p["to"]), p["to"], first)
    if name == "Copy":
        return first
    if name == "Lut":
        table = operands[1]
        return each(lambda a: table.data[a + 128], table.dtype, first)
    if name == "LutInterp":
        return lut_interp(*operands)
    if name == "ReduceSum":
        return reduced(operands, p["axis"], p["to"], lambda a: sat(sum(a), p["to"]))
    if name == "ReduceMax":
        return reduced(operands, p["axis"], first.dtype, max)
    if name == "ArgMax":
        return reduced(operands, p["axis"], I32, lambda a: a.index(max(a)))
    if name == "ReduceSumProduct":
        total = lambda a, b: sat(rs(dot(a, b), p["shift"]), p["to"])
        return reduced(operands, p["axis"], p["to"], total)
    if name == "Compare":
        holds = {
            "equal": lambda a, b: a == b,
            "less": lambda a, b: a < b,
            "less or equal": lambda a, b: a <= b,
        }[p["relation"]]
        return each(lambda a, b: int(holds(a, b)), I8, *operands)
    if name == "Select":
        return each(lambda c, a, b: a if c != 0 else b, operands[1].dtype, *operands)
    if name == "BitLen":
        return each(lambda a: abs(a).bit_length(), I8, first)
    if name == "IntDiv":
        return each(lambda a, b: int_div(a, b, p["shift"], p["to"]), p["to"], *operands)
    if name == "Rsqrt":
        root = lambda a: nearest(Fraction(1 << (2 * p["shift"]), a)) if a > 0 else 0
        return each(root, I32, first)
    if name == "Gather":
        return gather(*operands)
    if name == "ScatterAdd":
        return scatter_add(*operands, p["rows"], p["to"])
    if name == "Concat":
        return concat(operands, p["axis"])
    if name == "Pad":
        return padded(first, p["axis"], p["low"], p["high"], p["value"])
    if name == "Iota":
        outer, length, inner = split_axis(p["shape"], p["axis"])
        data = [i for _ in range(outer) for i in range(length) for _ in range(inner)]
        return Tensor(I32, p["shape"], data)
    if name == "Philox":
        key = [x % (1 << 32) for x in first.data]
        step = operands[1].data[0] % (1 << 32)
        data = [
            signed(philox((i // 4, 0, p["stream"], step), key)[i % 4])
            for i in range(prod(p["shape"]))
        ]
        return Tensor(I32, p["shape"], data)
    if name in ("ShiftBy", "ShiftRandom"):
        shifts = spread(operands[1], len(first.data))
        if name == "ShiftBy":
            data = [sat(rs(a, s), p["to"]) for a, s in zip(first.data, shifts)]
        else:
            data = [
                shift_random(a, s, bits, p["to"])
                for a, s, bits in zip(first.data, shifts, operands[2].data)
            ]
        return Tensor(p["to"], first.dims, data)
    if name == "CumSum":
        return cum_sum(first, p["exclusive"], p["reverse"], p["to"])
    if name == "TopK":
        return top_k(first, p["k"], p["values"])
    if name == "Softmax":
        return softmax(first, p["multiplier"], p["shift"], p["to"])
    if name == "Norm":
        return norm(operands, p["kind"], p["epsilon"], p["to"], p["shift"])
    if name == "RowScale":
        return row_scale(first, p["kind"], p["epsilon"], p["shift"])
    raise ValueError(name)
