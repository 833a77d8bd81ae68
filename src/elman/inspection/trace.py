"""What a network believed at each step, and what its states and gates did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elman.data.batching import Batches
from elman.errors import SettingsError
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged
from elman.structures.n_to_n import NToN
from elman.structures.n_to_n_writer import NToNWriter
from elman.structures.n_to_one import NToOne

LONGEST = 2_000
"""Steps beyond which a network that reads backwards is not asked about every beginning."""


@dataclass(frozen=True)
class Step:
    """One step of a reading.

    Attributes:
        token: what was read.
        beliefs: the likeliest labels and their probabilities: of the whole, had the sequence ended here;
            of this step, where every step has an answer of its own.
        norm: the length of the hidden state, `|h[t]|` (last layer, reading forwards).
        change: how far the state moved, `|h[t] - h[t-1]|`.
        gates: each gate's mean opening over the hidden units, between 0 and 1.
    """

    token: str
    beliefs: list[tuple[Any, float]]
    norm: float
    change: float
    gates: dict[str, float]


@dataclass(frozen=True)
class Foretold(Step):
    """One step of a reading by a network that says what comes next: its beliefs are of the step after.

    Attributes:
        surprise: -log2 of the probability that this token had before it was read, in bits.
    """

    surprise: float


@dataclass(frozen=True)
class Trace:
    """A whole reading: its steps, and every state and gate by unit.

    Attributes:
        steps: one entry a token.
        states: arrays `time hidden` by name and layer: `h_l0`, `z_l0`, `h_l0_reverse`, ...
    """

    steps: list[Step]
    states: dict[str, np.ndarray] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The steps as JSON data; the arrays stay behind."""
        steps = []
        for number, one in enumerate(self.steps, 1):
            beliefs = [{"label": label, "probability": p} for label, p in one.beliefs]
            steps.append({"step": number, **asdict(one), "beliefs": beliefs})
        return {"steps": steps}


@dataclass(frozen=True)
class Heard(Trace):
    """The reading of a recording.

    Attributes:
        frames: what was heard, log-mel, a frame every 10 ms: `frames n_mels`.
        ends: the time at which each step ends, in seconds: `steps`.
    """

    frames: np.ndarray = field(repr=False)
    ends: np.ndarray = field(repr=False)

    @property
    def loudness(self) -> np.ndarray:
        """How loud it is at each step, from 0, the softest one, to 1: `steps`."""
        stack = max(1, len(self.frames) // max(1, len(self.ends)))
        loud = self.frames[: stack * len(self.ends)].mean(1).reshape(len(self.ends), stack).mean(1)
        return (loud - loud.min()) / max(float(loud.max() - loud.min()), 1e-9)


@torch.inference_mode()
def look(
    network: NToOne | NToN,
    xs: Ragged,
    tokens: Sequence[str],
    labels: Sequence[Any],
    top: int = 3,
    chances: Tensor | None = None,
    surprises: Sequence[float] | None = None,
) -> Trace:
    """Trace one sequence.

    Of an N-to-1 network, a belief after `t` steps is its whole answer to the first `t` steps alone, which
    is well defined for every direction and pooling: the last belief is the prediction. Of an N-to-N
    network, it is the answer to that step, which `chances` holds.

    Args:
        network: in evaluation mode.
        xs: a batch of one sequence.
        tokens: a name for each step.
        labels: a name for each output.
        top: how many labels to keep a step.
        chances: `time labels`, the beliefs of a network that answers every step.
        surprises: of each token, where the network says what comes next.

    Raises:
        SettingsError: a sequence without steps, or too long a one for a network that reads backwards.
    """
    _check(xs)
    recurrent = network.recurrent
    names = (*recurrent.cell_type.states, *recurrent.cell_type.gates)
    trace = network.run(xs, record=names).trace
    if chances is None:
        if isinstance(network, NToN):
            raise SettingsError(
                "A network that answers every step has beliefs of its own.", fix="pass chances"
            )
        chances = _beliefs(network, xs)
    return _steps(recurrent, trace, tokens, (labels, chances, top), surprises)


@torch.inference_mode()
def look_at_writing(
    network: NToNWriter,
    xs: Ragged,
    ys: Ragged,
    tokens: Sequence[str],
    labels: Sequence[Any],
    top: int = 3,
) -> Trace:
    """Trace the writing of one answer: the beliefs at each place, given what was written before it.

    Args:
        network: in evaluation mode.
        xs: a batch of the one sequence that is answered.
        ys: the numbers of what was written.
        tokens: a name for each of these.
        labels: a name for each output.
        top: how many labels to keep a step.

    Raises:
        SettingsError: a sequence without steps.
    """
    _check(xs)
    recurrent = network.recurrent
    names = (*recurrent.cell_type.states, *recurrent.cell_type.gates)
    trace = network.run(network.encoded(xs), ys, record=names).trace
    return _steps(recurrent, trace, tokens, (labels, network(xs, ys).values.softmax(-1), top), None)


def _check(xs: Ragged) -> None:
    if len(xs) != 1 or not len(xs.values):
        raise SettingsError("There is no step to look at.", expected="one sequence of at least one step")


def _steps(
    recurrent: Recurrent,
    trace: Mapping[str, Ragged],
    tokens: Sequence[str],
    beliefs: tuple[Sequence[Any], Tensor, int],
    surprises: Sequence[float] | None,
) -> Trace:
    """A trace of what was recorded and of beliefs: the labels, `time labels`, and how many to keep."""
    labels, chances, top = beliefs
    last = f"_l{recurrent.num_layers - 1}"
    h = trace["h" + last].values
    before = torch.cat([torch.zeros_like(h[:1]), h[:-1]])
    norms, changes = h.norm(dim=-1).tolist(), (h - before).norm(dim=-1).tolist()
    openings = {name: trace[name + last].values.mean(-1).tolist() for name in recurrent.cell_type.gates}
    best, numbers = chances.topk(min(top, len(labels)), -1)
    steps = []
    for t, token in enumerate(tokens):
        held = [(labels[n], p) for n, p in zip(numbers[t].tolist(), best[t].tolist(), strict=True)]
        gates = {name: values[t] for name, values in openings.items()}
        step = Step(token, held, norms[t], changes[t], gates)
        steps.append(step if surprises is None else Foretold(**vars(step), surprise=surprises[t]))
    return Trace(steps, {name: values.values.numpy() for name, values in trace.items()})


def _beliefs(network: NToOne, xs: Ragged) -> Tensor:
    """The probabilities after each step: `time outputs`."""
    time = len(xs.values)
    if not network.recurrent.bidirectional:
        state, answers = network.start(1), []
        for x in xs.values.split(1):
            answer, state = network.step(x, state)
            answers.append(answer)
        return torch.cat(answers).softmax(-1)
    if time > LONGEST:
        raise SettingsError(
            f"A network that reads backwards is asked anew about each of the {time} beginnings.",
            expected=f"at most {LONGEST} steps",
            received=f"{time} steps",
            fix="shorten the text, or train with bidirectional=False",
        )
    beginnings = np.arange(1, time + 1)
    batches = Batches(beginnings, batch_size=64, max_steps=20_000).ordered()
    answers = xs.values.new_zeros(time, network.head.out_features, dtype=torch.float32)
    for batch in batches:
        prefixes = Ragged.of([xs.values[: beginnings[i]] for i in batch])
        answers[torch.from_numpy(batch)] = network(prefixes)
    return answers.softmax(-1)
