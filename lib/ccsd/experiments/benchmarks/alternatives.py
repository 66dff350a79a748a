"""Other ways to do a step of file to mask, each in turns with the way that is taken: ratios hold on a busy machine."""

from __future__ import annotations

import gzip
import importlib
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ccsd.export.onnx_file import export
from ccsd.imaging.volumes import read_sources, read_volume
from ccsd.inference.feature_cache import FeatureCache, feature_cache
from ccsd.inference.predict import WindowConfig, predict, quickest
from ccsd.method import subsets
from ccsd.method.export import AnySubset
from ccsd.method.network import CCSDNetwork
from ccsd.preprocessing.prepare import NetworkInput, prepare
from ccsd.studies.study import Study

EDGE = 128  # voxels of the window that networks are compared on
Run = Callable[[], object]


@dataclass(frozen=True)
class Alternative:
    """`usual` is what is compared with, `other` the alternative: how much quicker or slower it is."""

    step: str
    usual: str
    other: str
    runs: tuple[Run, Run]


def ratios(found: Iterable[Alternative], repeats: int) -> Iterator[tuple[Alternative, float, float]]:
    """(alternative, CPU seconds of the usual way, median of other / usual), both in turns after one unmeasured. CPU
    seconds of the process: what other processes do beside it does not count."""
    for one in found:
        times: list[list[float]] = [[], []]
        for _ in range(repeats + 1):
            for run, of_run in zip(one.runs, times, strict=True):
                began = time.process_time()
                run()
                of_run.append(time.process_time() - began)
        usual, other = (t[1:] for t in times)
        yield one, statistics.median(usual), statistics.median(b / a for a, b in zip(usual, other, strict=True))


def of_files(study: Study) -> Iterator[Alternative]:
    """Reading the files of a study, and writing its mask."""
    files = [s.path for s in study.sources.values()]
    volume = read_volume(files[0])
    for name in ("isal.igzip", "zlib_ng.gzip_ng"):
        with suppress(ImportError):
            module = importlib.import_module(name)
            yield Alternative("read", "gzip", name, (partial(_unzip, files, gzip), partial(_unzip, files, module)))
    mask = (volume.data > np.quantile(volume.data, 0.97)).astype(np.uint8).tobytes(order="F")
    for level in (6, 9):
        runs = (partial(gzip.compress, mask, 1), partial(gzip.compress, mask, level))
        yield Alternative("write", "gzip level 1", f"level {level}", runs)
    volumes = read_sources(study.sources)
    task = tuple(study.sources)
    spacing = 1.0
    whole = torch.from_numpy(np.stack([v.data for v in volumes.values()]).astype(np.float32))[None]

    def resampled() -> None:
        prepare(volumes, task, spacing=spacing)
        F.interpolate(whole, size=tuple(whole.shape[2:]), mode="trilinear", align_corners=False)

    usual = partial(prepare, volumes, task, spacing=spacing)
    yield Alternative("prepare", "no resampling at 1 mm", "resampling to the same grid", (usual, resampled))


def of_studies(network: CCSDNetwork, prepared: NetworkInput) -> Iterator[Alternative]:
    """A whole study: windows, the brain's box, features that are kept."""
    subset = (1 << network.n) - 1
    pair = subset & 0b0110 or 1
    shape = prepared.frame.working
    whole = torch.zeros(network.n, *shape)
    prepared.frame.crop(whole).copy_(prepared.volumes)
    memory = feature_cache()

    def run(volumes: Tensor, window: WindowConfig, chosen: int = subset, kept: FeatureCache | None = None) -> None:
        present = subsets.to_present(chosen, network.n)
        predict(network, volumes, present, [chosen], window, memory=kept)

    windows, one = WindowConfig(), WindowConfig(edge=None)
    box = prepared.volumes
    run(box, one, kept=memory)
    yield Alternative("network", "windows of 128", "one window", (partial(run, box, windows), partial(run, box, one)))
    again = partial(run, box, one, pair, memory)
    yield Alternative(
        "network", "two modalities, one window", "their features kept", (partial(run, box, one, pair), again)
    )
    yield Alternative(
        "network", "brain's box, one window", "all voxels", (partial(run, box, one), partial(run, whole, one))
    )


def of_network(network: CCSDNetwork, folder: Path) -> Iterator[Alternative]:
    """One window with all modalities, by PyTorch and by other runtimes."""
    volumes = torch.randn(1, network.n, EDGE, EDGE, EDGE)
    present = torch.ones(network.n, dtype=torch.bool)
    kind = quickest(torch.device("cpu"))
    usual = partial(_forward, network, volumes, present, kind)
    name = f"PyTorch, {kind}".replace("torch.", "")
    if kind != torch.float32:
        yield Alternative(
            "network", name, "float32", (usual, partial(_forward, network, volumes, present, torch.float32))
        )
    plain = CCSDNetwork(network.task, network.config).eval()
    plain.load_state_dict(network.state_dict())
    yield Alternative(
        "network", name, "without channels_last_3d", (usual, partial(_forward, plain, volumes, present, kind))
    )
    subset = (1 << network.n) - 1

    def all_present(given: Tensor) -> Tensor:
        return network.decode(network.encode_subset(given, subset), [subset])[0]

    compiled: Callable[[Tensor], Tensor] = torch.compile(all_present)
    yield Alternative("network", name, "torch.compile", (usual, partial(_call, compiled, volumes, kind)))
    path = folder / "network.onnx"
    with suppress(ImportError):
        export(network, path)
        import onnxruntime  # type: ignore[import-untyped]  # of requirements-dev.txt

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        inputs = {"volumes": volumes.numpy(), "present": np.ones(network.n, np.float32)}
        yield Alternative("network", name, "ONNX Runtime, float32", (usual, partial(session.run, None, inputs)))
    with suppress(ImportError):
        for precision in ("f32", "bf16"):
            runs = (usual, _openvino(network, volumes, precision))
            yield Alternative("network", name, f"OpenVINO, {precision}", runs)


def _openvino(network: CCSDNetwork, volumes: Tensor, precision: str) -> Run:
    import openvino  # type: ignore[import-not-found]  # in no requirements file: to be tried by who has it

    model = openvino.convert_model(_AllPresent(network), example_input=volumes, input=[list(volumes.shape)])
    config = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(model, "CPU", config)
    return partial(compiled, [volumes.numpy()])


class _AllPresent(nn.Module):
    def __init__(self, network: CCSDNetwork) -> None:
        super().__init__()
        self.inner = AnySubset(network)

    def forward(self, volumes: Tensor) -> Tensor:
        logits: Tensor = self.inner(volumes, torch.ones(volumes.shape[1]))
        return logits


@torch.no_grad()
def _forward(network: CCSDNetwork, volumes: Tensor, present: Tensor, kind: torch.dtype) -> None:
    with torch.autocast("cpu", kind, enabled=kind != torch.float32):
        network(volumes, present)


@torch.no_grad()
def _call(compiled: Callable[[Tensor], Tensor], volumes: Tensor, kind: torch.dtype) -> None:
    with torch.autocast("cpu", kind, enabled=kind != torch.float32):
        compiled(volumes)


def _unzip(files: Sequence[Path], module: ModuleType) -> None:
    for file in files:
        with module.open(file) as stream:
            stream.read()
