"""`elman bench stream`: one step at batch 1, by elman's stepper, torch's cells and onnxruntime.

onnxruntime runs the standard's own operator over a sequence of one step, the state going in and coming
out; once by `run` with arrays, and once with everything bound to memory beforehand, which is the least it
can cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from elman.apps.bench.timing import Work, by_turns, compared, geometric_mean, repeated, wanted
from elman.errors import MissingExtraError
from elman.layers.recurrent import Recurrent
from elman.layers.stepper import Stepper

CELLS: dict[str, Any] = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
OPERATORS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
ORDER = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
"""Where each of ONNX's blocks stands in torch's weights: i o f c from i f g o, z r h from r z n."""


def rows(*, quick: bool, only: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row a cell and size."""
    for hidden in (64, 128) if quick else (64, 128, 256, 512):
        for cell in CELLS:
            name = f"{cell} {hidden}"
            if not wanted(name, only):
                continue
            work = contestants(cell, hidden)
            often = {one: repeated(call) for one, call in work.items()}
            calls = {one: call for one, (call, _) in often.items()}
            counts = {one: count for one, (_, count) in often.items()}
            times = by_turns(calls, seconds=0.5 if quick else 1.5, least=7, most=200)
            steps = {one: [t / counts[one] for t in many] for one, many in times.items()}
            row = {"case": name, "cell": cell, "hidden": hidden, "step": compared(steps)}
            yield row


def contestants(cell: str, hidden: int) -> dict[str, Work]:
    """A step of each, with the same weights and the same input, carrying its own state on.

    Raises:
        MissingExtraError: onnx or onnxruntime is not installed.

    >>> sorted(contestants("gru", 4))[:3]
    ['bfloat16', 'elman', 'int8']
    """
    torch.manual_seed(0)
    layer = Recurrent(cell, hidden, hidden)
    x = torch.randn(1, hidden)
    found: dict[str, Work] = {}
    for name, weights in (("elman", None), ("bfloat16", "bfloat16"), ("int8", "int8")):
        push = Stepper(layer, weights=weights).push
        found[name] = lambda push=push: push(x)
    found["torch cell"] = _torch_step(layer, x)
    run, bound = _onnx_steps(layer, x.numpy())
    return found | {"onnxruntime": run, "onnxruntime, bound": bound}


def _torch_step(layer: Recurrent, x: torch.Tensor) -> Work:
    peer = CELLS[layer.cell](layer.input_size, layer.hidden_size)
    peer.load_state_dict({name.removesuffix("_l0"): one for name, one in layer.state_dict().items()})
    state = torch.zeros(1, layer.hidden_size)
    held: list[Any] = [(state, state.clone()) if layer.cell == "lstm" else state]

    @torch.inference_mode()
    def work() -> None:
        held[0] = peer(x, held[0])

    return work


def model_of(layer: Recurrent) -> bytes:
    """The layer's step as an ONNX model: `x, h (, c)` in, `h_after (, c_after)` out.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as cause:
        raise MissingExtraError.of("onnx", "bench", "elman bench stream") from cause
    hidden, states = layer.hidden_size, ("h", "c") if layer.cell == "lstm" else ("h",)
    blocks = len(ORDER[layer.cell])
    weights = {name: one.detach().numpy() for name, one in layer.named_parameters()}

    def ordered(name: str) -> np.ndarray:
        parts = np.split(weights[name], blocks)
        return np.concatenate([parts[number] for number in ORDER[layer.cell]])[None]

    tensors = {
        "W": ordered("weight_ih_l0"),
        "R": ordered("weight_hh_l0"),
        "B": np.concatenate([ordered("bias_ih_l0"), ordered("bias_hh_l0")], -1),
    }
    more: dict[str, Any] = {"linear_before_reset": 1} if layer.cell == "gru" else {}
    node = helper.make_node(
        OPERATORS[layer.cell],
        ["x", "W", "R", "B", "", *states],
        ["", *(f"{one}_after" for one in states)],
        hidden_size=hidden,
        **more,
    )

    def value(name: str, width: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, width])

    graph = helper.make_graph(
        [node],
        "step",
        [value("x", layer.input_size), *(value(one, hidden) for one in states)],
        [value(f"{one}_after", hidden) for one in states],
        [numpy_helper.from_array(one, name) for name, one in tensors.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def _onnx_steps(layer: Recurrent, x: np.ndarray) -> tuple[Work, Work]:
    try:
        import onnxruntime
    except ImportError as cause:
        raise MissingExtraError.of("onnxruntime", "bench", "elman bench stream") from cause
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model_of(layer), options, providers=["CPUExecutionProvider"])
    states = [one.name for one in session.get_inputs()[1:]]
    feed = {"x": x[None], **{one: np.zeros((1, 1, layer.hidden_size), np.float32) for one in states}}

    def run() -> None:
        feed.update(zip(states, session.run(None, feed), strict=True))

    # Two sets of memory: what one step writes is what the next one reads.
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    memory = [{one: value(feed[one].copy()) for one in states} for _ in range(2)]
    bindings = []
    for here, there in (memory, memory[::-1]):
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", value(feed["x"]))
        for one in states:
            binding.bind_ortvalue_input(one, here[one])
            binding.bind_ortvalue_output(f"{one}_after", there[one])
        bindings.append(binding)

    def bound() -> None:
        session.run_with_iobinding(bindings[0])
        bindings.reverse()

    return run, bound


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of the table: geometric means for the small sizes, and hidden 256 by itself."""
    found: dict[str, float] = {}
    for name, sizes in (("small", (64, 128)), ("256", (256,))):
        for key, other in (("cell", "torch cell"), ("onnx", "onnxruntime"), ("bound", "bound")):
            of = "onnxruntime, bound" if other == "bound" else other
            over = [row["step"]["over"][of]["ratio"] for row in rows if row["hidden"] in sizes]
            if over:
                found[f"stream.{name}.{key}"] = geometric_mean(over)
    return found
