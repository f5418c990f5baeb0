#!/usr/bin/env python3
"""Edge values of every scalar rule of operator set 1, in unbounded integers.

Writes edges.tsv beside this file; `cargo test -p assay-ops --test vectors` checks the crate
against it. Columns: rule, arguments, result. Needs nothing but Python 3."""

from pathlib import Path

RANGE = {"i8": (-2**7, 2**7 - 1), "i16": (-2**15, 2**15 - 1), "i32": (-2**31, 2**31 - 1)}
EDGES = {t: sorted({lo, lo + 1, -1, 0, 1, hi - 1, hi}) for t, (lo, hi) in RANGE.items()}


def sat(x, to):
    lo, hi = RANGE[to]
    return max(lo, min(hi, x))


def rounded(x, by):
    if by > 0:
        by = min(by, 62)
        return (x + (1 << (by - 1))) >> by
    return x << min(-by, 31)


rows = []
for to in RANGE:
    for a in EDGES["i32"]:
        rows.append(("cast", to, a, sat(a, to)))
        for by in (-128, -32, -31, -1, 0, 1, 2, 15, 31, 32, 62, 63, 127):
            rows.append(("shift", to, a, by, sat(rounded(a, by), to)))
        for b in EDGES["i32"]:
            rows.append(("add", to, a, b, sat(a + b, to)))
            rows.append(("sub", to, a, b, sat(a - b, to)))
            rows.append(("mul", to, a, b, sat(a * b, to)))
for to in ("i8", "i16"):
    for acc in RANGE["i32"] + (-1, 0, 1):
        for m in RANGE["i16"] + (-1, 0, 1):
            for s in (-128, -1, 0, 1, 17, 46, 62, 127):
                for bias in (-2**31, 0, 2**31 - 1):
                    rows.append(("requant", to, acc, m, s, bias, sat(rounded((acc + bias) * m, s), to)))
for to in RANGE:
    for a in (-32768, 32767):
        for b in (-32768, 32767):
            for m in EDGES["i16"]:
                for s in (-128, -1, 0, 1, 31, 45, 62, 127):
                    rows.append(("matmul16", to, a, b, m, s, sat(rounded(1000 * a * b * m, s), to)))
out = Path(__file__).with_name("edges.tsv")
out.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
print(f"{len(rows)} rows in {out.name}")
