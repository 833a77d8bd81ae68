"""Frames of keys that sound together: how one is read, and two ways to say how likely each one is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.errors import UnknownNameError
from elman.layers.dropout import Dropout

HEADS = ("independent", "nade")
RARE = -3.0
"""The log-odds that a key sounds, before anything is learned: a few of many do."""


class Frames(nn.Module):
    """Each key by itself: a frame is as likely as its keys are together.

        p(v | h) = Π_k σ(b_k(h))^v_k · (1 - σ(b_k(h)))^(1 - v_k)        b(h) = W·h + b

    What `forward` gives, `told`, is all that is known of a frame before it is heard; the other methods
    ask it.

    Shapes: h `steps features`; told `steps outputs`; frames and chances `steps keys`; frames are 0 or 1.

    >>> head = Frames(features=4, keys=3)
    >>> told = head(torch.zeros(2, 4))
    >>> head.nats(told, torch.ones(2, 3)).shape, head.chances(told, torch.ones(2, 3)).shape
    (torch.Size([2]), torch.Size([2, 3]))
    """

    def __init__(self, features: int, keys: int) -> None:
        super().__init__()
        self.keys = keys
        self.linear = nn.Linear(features, keys)
        nn.init.constant_(self.linear.bias, RARE)

    def forward(self, h: Tensor) -> Tensor:
        return self.linear(h)

    def surprise(self, h: Tensor, frames: Tensor) -> Tensor:
        """The negative log-probability of each frame, in nats: `steps`."""
        return self.nats(self(h), frames)

    def nats(self, told: Tensor, frames: Tensor) -> Tensor:
        """The same, of what `forward` gave."""
        logits = self.logits(told, frames)
        return F.binary_cross_entropy_with_logits(logits, frames.to(logits.dtype), reduction="none").sum(
            -1
        )

    def chances(self, told: Tensor, frames: Tensor) -> Tensor:
        """The chance that each key had to sound, given those below it as they were."""
        return self.logits(told, frames).sigmoid()

    def logits(self, told: Tensor, frames: Tensor) -> Tensor:
        """The log-odds of the same."""
        return told

    def expected(self, told: Tensor) -> Tensor:
        """The chance that each key sounds, whatever the others do."""
        return told.sigmoid()

    def draw(self, told: Tensor, numbers: Tensor | None, temperature: float = 1.0) -> Tensor:
        """Frames, note by note from the lowest: at each place the next note, or that there is none.

            p(k is the next note) = p_k·Π_{j<k} (1 - p_j)        p(none) = Π_j (1 - p_j)

        j are the keys above the last note. With a temperature, these are raised to 1/temperature and made to
        sum to 1. A note is drawn by the next of its frame's numbers, which are even between 0 and 1; without
        numbers it is the likeliest. (To take each key as it is likelier to be would leave out most notes: of
        many that may sound, one does.)

        Shapes: numbers `steps keys`.
        """
        frames = told.new_zeros(len(told), self.keys)
        last = frames.new_full(
            (len(told), 1), -1
        )  # the last note of each frame; past the end when it is done
        keys = torch.arange(self.keys, device=told.device)
        for turn in range(self.keys):
            logits = self.logits(told, frames)
            silent = F.logsigmoid(-logits) * (keys > last)
            sounds = F.logsigmoid(logits) + silent.cumsum(1) - silent
            sounds = sounds.masked_fill(keys <= last, -torch.inf)
            chances = torch.cat([sounds, silent.sum(1, keepdim=True)], 1).div(temperature).softmax(1)
            if numbers is None:
                chosen = chances.argmax(1)
            else:
                chosen = (chances.cumsum(1) <= numbers[:, turn, None]).sum(1).clamp(max=self.keys)
            last = torch.maximum(chosen[:, None].to(last.dtype), last)
            frames = torch.maximum(frames, (keys == chosen[:, None]).to(frames.dtype))
            if bool((last == self.keys).all()):
                break
        return frames


class NADE(Frames):
    """Each key in view of the keys below it: chords rather than notes.

        p(v | h) = Π_k p(v_k | v_1 … v_{k-1}, h)        p(v_k = 1 | …) = σ(b_k(h) + V_k·g_k)
        g_k = σ(c(h) + Σ_{j<k} W_j·v_j)                  b(h), c(h) linear in h

    The g of neighbouring keys differ only where a key sounds, so that a frame of n notes has n + 1 of them,
    and is not worked through key by key. Source: Larochelle and Murray 2011; as the head of a recurrence
    Boulanger-Lewandowski et al. 2012, arXiv 1206.6392.

    Args:
        features: of a step.
        keys: how many there are.
        hidden_size: of g.
        dropout: chance that a unit of g is dropped.

    >>> head = NADE(features=4, keys=3, hidden_size=5)
    >>> told = head(torch.zeros(8, 4))
    >>> every = torch.tensor([[n >> k & 1 for k in range(3)] for n in range(8)]).float()
    >>> round(float(torch.exp(-head.nats(told, every)).sum()), 5)
    1.0
    """

    def __init__(self, features: int, keys: int, hidden_size: int = 128, dropout: float = 0.0) -> None:
        super().__init__(features, keys)
        self.hidden = nn.Linear(features, hidden_size)
        self.read = nn.Parameter(torch.randn(keys, hidden_size) * hidden_size**-0.5)
        self.write = nn.Parameter(torch.randn(keys, hidden_size) * hidden_size**-0.5)
        self.dropout = Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat([self.linear(h), self.hidden(h)], -1)

    def logits(self, told: Tensor, frames: Tensor) -> Tensor:
        b, c = told.split([self.keys, told.shape[-1] - self.keys], -1)
        v = frames.to(b.dtype)
        upto = v.cumsum(-1)  # notes up to each key, itself included
        most = int(upto[:, -1].max()) if len(v) else 0
        places = torch.arange(most + 1, device=v.device)[:, None]
        heard = v[:, None] * (upto[:, None] <= places)  # the lowest 0, 1, … notes of each frame
        g = self.dropout(torch.sigmoid(c[:, None] + heard @ self.read))
        here = (upto - v)[:, None] == places  # which of these each key has below it
        return b + (g @ self.write.T * here).sum(1)

    def expected(self, told: Tensor) -> Tensor:
        """The mean of the chances along 256 frames that are drawn, always by the same numbers."""
        numbers = torch.rand(256, self.keys, generator=torch.Generator().manual_seed(0))
        numbers = numbers.to(told.device).repeat(len(told), 1)
        told = told.repeat_interleave(256, 0)
        chances = self.chances(told, self.draw(told, numbers))
        return chances.unflatten(0, (-1, 256)).mean(1)


class Keyboard(nn.Module):
    """Reads frames: which keys sound, and what else is told of the step.

        e = W·v + b

    Args:
        features: numbers of a step: the keys and whatever stands beside them.
        size: of e.
        dropout: chance that a number of e is dropped.

    Shapes: frames `steps features`, of any numbers. Result: `steps size`.

    >>> Keyboard(5, 3)(torch.ones(2, 5, dtype=torch.uint8)).shape
    torch.Size([2, 3])
    """

    def __init__(self, features: int, size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(features, size), Dropout(dropout)

    def forward(self, frames: Tensor) -> Tensor:
        return self.dropout(self.linear(frames.to(self.linear.weight.dtype)))


def frames_of(name: str, features: int, keys: int, hidden_size: int = 128) -> Frames:
    """The head of a name.

    Raises:
        UnknownNameError: there is none.

    >>> type(frames_of("nade", 4, 88)).__name__
    'NADE'
    """
    if name not in HEADS:
        raise UnknownNameError.among("head", name, HEADS)
    return Frames(features, keys) if name == "independent" else NADE(features, keys, hidden_size)
