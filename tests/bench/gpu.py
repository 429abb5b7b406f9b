"""The generate stage on a GPU: our providers against torch, on the same GPU, in the same run, call by call in turn.

    python -m tests.bench.gpu [--ngf 32 64] [--size 256 512] [--fps 30] [--only TEXT] [--json OUT]

A call is what the stage needs: a drawing in host memory goes in, a picture in host memory comes out. Looks have random
weights and are produced as all looks are: models.families.pix2pix, export.freeze.freeze. Torch gets what is best for
it: pinned memory, channels last, cuDNN's search, inference mode. The floor is the generator's multiplications at the
speed of a large matrix product, measured here. `--fps` leaves the pauses that a stage has, in which a GPU lowers its
clock.

Not a test: it needs a GPU, says so in one line where there is none (exit code 2), and takes minutes for each model,
most of them for torch.compile. Run it where torch and ONNX Runtime are built for the same CUDA.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calibration.bench.unet import moving_face, plain_face
from export.artifact import model_file
from export.freeze.freeze import freeze_from_plan
from export.runtime import tensorrt
from export.runtime.cuda import CudaSession, provider_options
from export.runtime.frozen_session import FrozenSession
from export.runtime.providers import gpu, unavailable_reason
from export.runtime.session import open_session
from export.runtime.session_options import build_session, first_line, session_options
from models.families.pix2pix import Pix2Pix
from models.features.face_lines import draw_lines
from models.features.retarget import target_facts
from models.prepare.face_facts import FaceFacts
from models.training.family import FreezePlan

ROUNDS, CALLS, DROPPED = 20, 50, 3
PACED_ROUNDS, PACED_CALLS = 5, 60
PEAK_SIDE = 8192
MODES = (None, "reduce-overhead", "max-autotune")
ARITHMETICS = ("fp32", "tf32", "fp16")

Picture = NDArray[np.uint8]
Call = Callable[[Picture], Picture]


@dataclass
class Candidate:
    """One way of turning drawings into pictures; `took_ms` grows."""

    name: str
    arithmetic: str
    call: Call
    note: str = ""
    differs: float = 0.0
    took_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class TableLine:
    """One line of the table; milliseconds."""

    ngf: int
    size: int
    arithmetic: str
    name: str
    p50: float
    p95: float
    p99: float
    longest: float
    floor: float
    differs: float
    """The largest difference from the CPU's picture, in 1/255."""
    note: str


def main(arguments: list[str] | None = None) -> int:
    arguments_given = _asked(arguments)
    reason = unavailable_reason("CUDA")
    if reason is not None or not torch.cuda.is_available():
        print(f"no GPU to measure: {reason or 'this torch finds none, install one with CUDA'}")
        return 2
    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    peaks = {arithmetic: peak(arithmetic) for arithmetic in ARITHMETICS}
    lines: list[TableLine] = []
    missing: list[str] = []
    for ngf in arguments_given.ngf:
        for size in arguments_given.size:
            metrics, left_out = measure(ngf, size, peaks, arguments_given.only, arguments_given.fps)
            lines += metrics
            missing += left_out
    machine = {
        "gpu": asdict(gpu()),
        "torch": torch.__version__,
        "onnxruntime": ort.__version__,
        "python": platform.python_version(),
        "peak_tflops": {name: round(flops / 1e12, 1) for name, flops in peaks.items()},
        "fps": arguments_given.fps,
    }
    _print(lines, missing, machine)
    result = json.dumps({"machine": machine, "figures": [asdict(line) for line in lines], "left_out": missing})
    print(result)
    if arguments_given.json is not None:
        arguments_given.json.write_text(result + "\n", "utf-8")
    return 0


def measure(
    ngf: int, size: int, peaks: dict[str, float], only: str, fps: float | None
) -> tuple[list[TableLine], list[str]]:
    """All candidates for one generator, in turn; and those that are not available, with the reason."""
    print(f"ngf {ngf} at {size}: freezing, building, compiling ...", file=sys.stderr, flush=True)
    torch._dynamo.reset()  # It compiles one piece of code eight times at most, and then runs it eagerly.
    plan = random_look(ngf, size)
    drawing = draw_lines(plain_face(size), size)[None].astype(np.uint8)
    macs = multiplications(plan)
    missing: list[str] = []
    candidates: list[Candidate] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guise-gpu-")))
        paths = {precision: _frozen(plan, folder, precision) for precision in ("fp32", "fp16")}
        with open_session(paths["fp32"], "cpu") as reference:
            wanted = reference.run(lines=drawing)["picture"].astype(int)
        makers = [*_our_candidates(paths, stack), *_torch_candidates(plan.module, drawing.shape)]
        for name, make in makers:
            if only not in name:
                continue
            try:
                candidate = make()
                candidate.differs = float(np.abs(candidate.call(drawing).astype(int) - wanted).max())
            except Exception as error:
                missing.append(f"ngf {ngf} at {size}, {name}: {first_line(error)}")
            else:
                candidates.append(candidate)
        _in_turn(candidates, drawing, fps)
    return [_table_line(c, ngf, size, 2e3 * macs / peaks[c.arithmetic]) for c in candidates], missing


def random_look(ngf: int, size: int) -> FreezePlan:
    """pix2pix's generator at the start of training, its last layer scaled so that the picture has contrast."""
    torch.manual_seed(0)
    family = Pix2Pix()
    model_options = family.options(ngf=ngf, size=size)
    facts = FaceFacts(kind="face", name="nobody", size=size, target=target_facts(moving_face(size)), digest="none")
    networks = family.networks(model_options, facts)
    for name in ("generator", "average"):
        if name in networks:
            networks[name].last[1].weight.data.mul_(20)
    return family.freeze(networks, model_options, facts)


def multiplications(plan: FreezePlan) -> int:
    """Of all convolutions, for one picture."""
    counted = [0]

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # A transposed convolution applies its kernel to each pixel that it reads, a plain one to each that it writes.
        applied_to = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        counted[0] += module.weight.numel() * applied_to.shape[2] * applied_to.shape[3]

    layers = [m for m in plan.module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        plan.module(*plan.inputs.values())
    for hook in hooks:
        hook.remove()
    return counted[0]


def peak(arithmetic: str) -> float:
    """Multiplications and additions a second of a large matrix product."""
    _choose(arithmetic)
    dtype = torch.float16 if arithmetic == "fp16" else torch.float32
    a, b = (torch.randn(PEAK_SIDE, PEAK_SIDE, device="cuda", dtype=dtype) for _ in range(2))
    took = []
    for _ in range(12):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        torch.matmul(a, b)
        end.record()
        torch.cuda.synchronize()
        took.append(begin.elapsed_time(end) / 1e3)
    return 2 * PEAK_SIDE**3 / float(np.median(took[2:]))


def _our_candidates(paths: dict[str, Path], stack: ExitStack) -> Iterator[tuple[str, Callable[[], Candidate]]]:
    for precision, path in paths.items():
        yield (
            f"CUDA, graph, {precision}",
            lambda path=path: _candidate_of(stack.enter_context(open_session(path, "cuda"))),
        )
        yield f"CUDA, no graph, {precision}", lambda path=path: _candidate_of(stack.enter_context(_without_graph(path)))
        yield f"TensorRT, {precision}", lambda path=path: _candidate_of(stack.enter_context(_on_tensorrt(path)))


def _candidate_of(session: FrozenSession) -> Candidate:
    """Raises RuntimeError when the session is not what was requested, so that no times appear under another name."""
    if session.provider == "CPU":
        raise RuntimeError(session.fallback)
    session.warm()
    graph = "graph" if isinstance(session, CudaSession) and session.uses_graph else "no graph"
    return Candidate(
        f"{session.provider}, {graph}, {session.manifest.precision} model",
        session.arithmetic,
        lambda drawing: session.run(lines=drawing)["picture"],
        session.fallback or "",
    )


def _without_graph(path: Path) -> CudaSession:
    manifest = model_file.check_model(path)

    def never(graph: bool) -> ort.InferenceSession:
        if graph:
            raise RuntimeError("not asked for")
        return build_session(path, "CUDA", provider_options(manifest.precision, graph=False), session_options())

    return CudaSession(path, manifest, "CUDA", never, "fp32" if manifest.precision == "fp32" else "tf32")


def _on_tensorrt(path: Path) -> FrozenSession:
    reason = unavailable_reason("TensorRT")
    if reason is not None:
        raise RuntimeError(reason)
    engine = tensorrt.build_engine(path)
    print(
        f"  engine built in {engine.build_s:.0f} s, loads in {engine.trial.load_s:.2f} s", file=sys.stderr, flush=True
    )
    return tensorrt.open_or_build(path, model_file.check_model(path), may_build=False)


class _Half(nn.Module):
    """models.families.pix2pix.FrozenGenerator with its generator in fp16."""

    def __init__(self, frozen: nn.Module) -> None:
        super().__init__()
        self.generator = frozen.generator.half()

    def forward(self, lines: Tensor) -> Tensor:
        x = (lines.permute(0, 3, 1, 2).float() * (2 / 255) - 1).half()
        picture = (self.generator(x).float() + 1) * 127.5
        return (picture.permute(0, 2, 3, 1) + 0.5).to(torch.uint8)


def _torch_candidates(module: nn.Module, shape: tuple[int, ...]) -> Iterator[tuple[str, Callable[[], Candidate]]]:
    for arithmetic in ARITHMETICS:
        for mode in MODES:
            name = f"torch, {'eager' if mode is None else mode}, {arithmetic}"
            yield name, lambda a=arithmetic, m=mode, n=name: Candidate(n, a, _torch_call(module, shape, a, m))


def _torch_call(module: nn.Module, shape: tuple[int, ...], arithmetic: str, mode: str | None) -> Call:
    _choose(arithmetic)
    copied = copy.deepcopy(module).cuda().eval()
    if arithmetic == "fp16":
        copied = _Half(copied)
    copied = copied.to(memory_format=torch.channels_last)
    forward: Callable[[Tensor], Tensor] = copied
    if mode is not None:
        forward = torch.compile(copied, mode=mode)
    pinned_in, pinned_out = (torch.empty(shape, dtype=torch.uint8, pin_memory=True) for _ in range(2))
    on_card = torch.empty(shape, dtype=torch.uint8, device="cuda")

    def call(drawing: Picture) -> Picture:
        _choose(arithmetic)
        pinned_in.copy_(torch.from_numpy(drawing))
        with torch.inference_mode():
            on_card.copy_(pinned_in, non_blocking=True)
            pinned_out.copy_(forward(on_card), non_blocking=True)
        torch.cuda.synchronize()
        return pinned_out.numpy()

    for _ in range(5):
        call(np.zeros(shape, np.uint8))
    return call


def _choose(arithmetic: str) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"


def _frozen(plan: FreezePlan, folder: Path, precision: Any) -> Path:
    path = folder / f"{precision}.onnx"
    training = {"data_digest": "none", "steps": 0, "samples_seen": 0, "minutes": 0}
    fields = {"kind": "look", "family": "pix2pix", "name": "nobody", "subject": "fictional", "licence": "nobody's"}
    freeze_from_plan(plan, path, {**fields, "training": training}, precision)
    return path


def _in_turn(candidates: list[Candidate], drawing: Picture, fps: float | None) -> None:
    rounds, calls = (ROUNDS, CALLS) if fps is None else (PACED_ROUNDS, PACED_CALLS)
    rng = random.Random(0)
    for _ in range(rounds):
        # In another order each time: a candidate after a busy one finds a warm GPU.
        for candidate in rng.sample(candidates, len(candidates)):
            due = time.perf_counter()
            for number in range(DROPPED + calls):
                if fps is not None:
                    due += 1 / fps
                    time.sleep(max(due - time.perf_counter(), 0))
                started = time.perf_counter()
                candidate.call(drawing)
                took_s = time.perf_counter() - started
                if number >= DROPPED:
                    candidate.took_ms.append(1e3 * took_s)


def _table_line(candidate: Candidate, ngf: int, size: int, floor_ms: float) -> TableLine:
    p50, p95, p99 = (round(float(v), 3) for v in np.percentile(candidate.took_ms, (50, 95, 99)))
    longest = round(max(candidate.took_ms), 3)
    return TableLine(
        *(ngf, size, candidate.arithmetic, candidate.name, p50, p95, p99, longest),
        *(round(floor_ms, 3), candidate.differs, candidate.note),
    )


def _print(lines: list[TableLine], missing: list[str], machine: dict[str, Any]) -> None:
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(
        f"{'ngf':>4}{'size':>6}  {'':44}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}{'floor':>8}{'x floor':>9}{'/255':>6}"
    )
    for line in sorted(lines, key=lambda line: (line.ngf, line.size, ARITHMETICS.index(line.arithmetic), line.p50)):
        times = "".join(f"{value:8.3f}" for value in (line.p50, line.p95, line.p99, line.longest, line.floor))
        label = f"{line.arithmetic}  {line.name}"
        print(
            f"{line.ngf:4}{line.size:6}  {label:44}{times}{line.p50 / line.floor:9.1f}{line.differs:6.0f}  {line.note}"
        )
    for line in missing:
        print(f"left out: {line}")


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ngf", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--fps", type=float, help="pause between calls as a stage does; else one after another")
    parser.add_argument("--only", default="", help="candidates whose name holds this text")
    parser.add_argument("--json", type=Path, help="where to write the figures, too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
