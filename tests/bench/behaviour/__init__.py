"""A picture of the program's behaviour: taken before and after the code is rearranged, it shows what changed.

    python -m tests.bench.behaviour --out before.json --work before
    python -m tests.bench.behaviour --out after.json --work after --earlier before
    python -m tests.bench.behaviour --compare before.json after.json

It imports nothing of the project, whose names may all be other ones afterwards: it drives the program by its command
line, reads the files that it makes, and reads its source as text. So one and the same folder runs on any commit, also
as a plain program: `python tests/bench/behaviour --out ...`. Whatever computes is held on one processor with one
thread, without a GPU, and started with seeds, so that two runs on one machine agree in every bit.
"""
