"""A batch of sequences of unequal length, laid end to end: the only sequence type of elman."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.errors import ShapeError
from elman.picking import pick

if TYPE_CHECKING:
    from typing import Self


class Ragged:
    """Sequences of unequal length: `values` holds all steps, `offsets` where each sequence starts.

    Sequence `i` is `values[offsets[i]:offsets[i + 1]]`. There is no padding, so padding can never
    change an answer. Lengths 0 and 1 are legal, and so is a batch of no sequence at all.

    Shapes:
        values: `steps *features`, the steps of the first sequence first.
        offsets: `batch + 1`, int64, from 0 to `steps`, never falling.

    Raises:
        ShapeError: the offsets do not describe the values.

    >>> xs = Ragged.of([torch.tensor([1.0, 2.0, 3.0]), torch.tensor([]), torch.tensor([4.0])])
    >>> xs.lengths.tolist(), xs.offsets.tolist(), len(xs)
    ([3, 0, 1], [0, 3, 3, 4], 3)
    >>> xs.padded()
    tensor([[1., 2., 3.],
            [0., 0., 0.],
            [4., 0., 0.]])
    """

    offsets: Tensor
    _values: Tensor

    # Not a dataclass: what moves a batch between precisions takes a frozen one for an error.
    def __init__(self, values: Tensor, offsets: Tensor) -> None:
        self.__dict__.update(_values=values, offsets=offsets)
        sound = (
            offsets.dim() == 1
            and offsets.dtype == torch.int64
            and offsets.numel() >= 1
            and self.values.dim() >= 1
        )
        if sound and not torch.compiler.is_compiling():  # a graph that is traced knows no numbers
            sound = (
                int(offsets[0]) == 0
                and int(offsets[-1]) == self.values.shape[0]
                and not bool((offsets[1:] < offsets[:-1]).any())
            )
        if not sound:
            raise ShapeError(
                "These offsets do not describe these values.",
                expected=f"int64 offsets that rise from 0 to the number of steps, {self.values.shape[:1]}",
                received=f"{offsets.dtype} of shape {tuple(offsets.shape)}: {offsets.flatten()[:8].tolist()}",
                fix="build it with Ragged.of(list_of_tensors) or Ragged.from_padded(values, lengths)",
            )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Ragged does not change: make another one to set its {name}")

    # --- made from ---

    @classmethod
    def of(cls, sequences: Sequence[Tensor]) -> Self:
        """From a list of tensors, each `time *features`; an empty list gives an empty batch."""
        if not sequences:
            return cls(torch.zeros(0), torch.zeros(1, dtype=torch.int64))
        shapes = {tuple(one.shape[1:]) for one in sequences}
        if len(shapes) != 1 or any(one.dim() == 0 for one in sequences):
            raise ShapeError(
                "The sequences of one batch must have the same features at every step.",
                expected="tensors of shape (time, *features) with equal features",
                received=f"features {sorted(shapes)}",
                fix="give each sequence the same number of columns",
            )
        lengths = torch.tensor([one.shape[0] for one in sequences], dtype=torch.int64)
        return cls(torch.cat(list(sequences)), offsets_of(lengths).to(sequences[0].device))

    @classmethod
    def from_padded(cls, padded: Tensor, lengths: Tensor | Sequence[int]) -> Self:
        """From a padded tensor `batch time *features` and the true length of each row."""
        lengths = torch.as_tensor(lengths, dtype=torch.int64, device=padded.device)
        limit = padded.shape[1] if padded.dim() > 1 else 0
        fits = lengths.shape == padded.shape[:1] and bool(((lengths >= 0) & (lengths <= limit)).all())
        if not fits:
            raise ShapeError(
                "The lengths do not fit the padded tensor.",
                expected=f"{padded.shape[0]} lengths between 0 and {limit}",
                received=lengths.tolist(),
                fix="pass a tensor of shape (batch, time, ...) with one length a row",
            )
        mask = torch.arange(limit, device=padded.device) < lengths[:, None]
        return cls(padded[mask], offsets_of(lengths))

    @classmethod
    def from_packed(cls, packed: PackedSequence) -> Self:
        """From torch's `PackedSequence`, in the order in which its sequences were before sorting."""
        counts = packed.batch_sizes
        batch = int(counts[0])
        lengths = (counts[None, :] > torch.arange(batch)[:, None]).sum(1)
        if packed.unsorted_indices is not None:
            lengths = lengths[packed.unsorted_indices.to(lengths.device)]
        offsets = offsets_of(lengths).to(packed.data.device)
        order = packed.sorted_indices
        walk = Walk.over(offsets, order=order if order is not None else torch.arange(batch))
        return cls(walk.back(packed.data), offsets)

    @classmethod
    def from_nested(cls, nested: Tensor) -> Self:
        """From a jagged `torch.nested` tensor `batch time *features`, without a copy."""
        jagged: Any = nested
        if jagged.layout != torch.jagged or jagged.lengths() is not None:
            raise ShapeError(
                "This nested tensor is not jagged, or has holes.",
                expected="layout torch.jagged, contiguous",
                received=jagged.layout,
                fix="torch.nested.nested_tensor(list_of_tensors, layout=torch.jagged)",
            )
        return cls(jagged.values(), jagged.offsets().to(torch.int64))

    # --- turned into ---

    def unbind(self) -> list[Tensor]:
        """One tensor a sequence; views, not copies."""
        return list(self.values.split(self.lengths.tolist()))

    def padded(self, fill: float = 0.0) -> Tensor:
        """A padded tensor `batch time *features`, time being the longest length."""
        longest = int(self.lengths.max()) if len(self) else 0
        shape = (len(self), longest, *self.values.shape[1:])
        return self.values.new_full(shape, fill).index_put((self.rows, self.positions), self.values)

    def packed(self) -> PackedSequence:
        """torch's `PackedSequence`, longest first. A sequence of length 0 cannot be packed."""
        if len(self) == 0 or int(self.lengths.min()) == 0:
            raise ShapeError(
                "PackedSequence has no place for a sequence without steps.",
                expected="every length at least 1",
                received=f"lengths {self.lengths.tolist()}",
                fix="leave the empty sequences out, or stay with Ragged",
            )
        walk = Walk.over(self.offsets)
        unsorted = torch.empty_like(walk.order).scatter_(
            0, walk.order, torch.arange(len(self), device=walk.order.device)
        )
        return PackedSequence(
            walk.along(self.values), torch.tensor(walk.sizes, dtype=torch.int64), walk.order, unsorted
        )

    def nested(self) -> Tensor:
        """A jagged `torch.nested` tensor `batch time *features`, without a copy."""
        return torch.nested.nested_tensor_from_jagged(self.values, self.offsets)

    def with_values(self, values: Tensor) -> Ragged:
        """The same lengths with other values, one row a step."""
        if torch.compiler.is_compiling() or values.shape[:1] != self.values.shape[:1]:
            return Ragged(values, self.offsets)
        # The offsets were looked at when this batch was made, and what follows from them is kept.
        other = Ragged.__new__(Ragged)
        other.__dict__.update(self.__dict__, _values=values)
        return other

    @classmethod
    def _made(cls, values: Tensor, offsets: Tensor) -> Ragged:
        """Of what is known to fit."""
        made = cls.__new__(cls)
        made.__dict__.update(_values=values, offsets=offsets)
        return made

    def to(self, *args: Any, **kwargs: Any) -> Ragged:
        """`values.to(...)`, the offsets following to the same device; itself where nothing changes."""
        before = self.values
        values = before.to(*args, **kwargs)
        if values is before and values.device == self.offsets.device:
            return self
        return Ragged(values, self.offsets.to(values.device))

    # --- facts ---

    @property
    def values(self) -> Tensor:
        """All steps, end to end: `steps *features`."""
        return self._values

    @property
    def distinct(self) -> Tensor:
        """The rows that steps read, where they share them (see `Shared`): here each has its own."""
        return self.values

    @property
    def reads(self) -> Tensor | None:
        """Which of these rows each step reads; None where each has its own."""
        return None

    @property
    def batch_size(self) -> int:
        """How many sequences there are: `len`, in a form that `torch.export` can leave open."""
        return self.offsets.shape[0] - 1

    def __len__(self) -> int:
        return self.offsets.shape[0] - 1

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.unbind())

    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> Ragged:
        """A batch of the sequences chosen: one number, a slice, an array of numbers, or a mask."""
        if isinstance(index, np.ndarray) and (found := pick(self.values, self.offsets, index)):
            return self._made(*found)
        # By numpy: these are a dozen steps over a few numbers, and each costs torch several times as much.
        chosen, edges, device = self._chosen(index), self.offsets.numpy(force=True), self.offsets.device
        starts = edges[:-1][chosen]
        lengths = edges[1:][chosen] - starts
        offsets = np.concatenate(([0], lengths.cumsum()))
        steps = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        values = self.values[torch.from_numpy(steps).to(device)]
        return Ragged(values, torch.from_numpy(offsets).to(device))

    def _chosen(self, index: Any) -> np.ndarray:
        """The numbers of the sequences that an index means, as numpy understands it."""
        plain = isinstance(index, np.ndarray) and index.dtype == np.int64 and index.ndim == 1
        if plain and len(index) and index.min() >= 0 and index.max() < len(self):
            return np.array(index)
        return np.array(np.arange(len(self))[index], order="C", ndmin=1)

    def __repr__(self) -> str:
        features = tuple(self.values.shape[1:])
        return f"Ragged(lengths={self.lengths.tolist()}, features={features}, {self.values.dtype})"

    @cached_property
    def lengths(self) -> Tensor:
        """The number of steps of each sequence: `batch`, int64."""
        return self.offsets.diff()

    @cached_property
    def rows(self) -> Tensor:
        """The sequence that each step belongs to: `steps`, int64."""
        numbers = torch.arange(len(self), device=self.offsets.device)
        return numbers.repeat_interleave(self.lengths)

    @cached_property
    def positions(self) -> Tensor:
        """Each step's place in its own sequence, from 0: `steps`, int64."""
        starts = self.offsets[:-1].repeat_interleave(self.lengths)
        return torch.arange(self.values.shape[0], device=self.offsets.device) - starts


class Shared(Ragged):
    """A batch whose steps share rows: step `t` is `distinct[reads[t]]`, and `values` are made when asked for.

    What depends on nothing but the row, such as what a recurrence makes of a word before it looks at the words
    before, is made once for each row, however many steps read it.

    Shapes:
        distinct: `rows features`.
        reads: `steps`, int64, from 0 to `rows - 1`.
        offsets: `batch + 1`, as those of any batch.

    Raises:
        ShapeError: `reads` are no numbers of rows, or the offsets do not describe them.

    >>> xs = Shared(torch.tensor([[0.5], [0.25]]), torch.tensor([1, 0, 1]), torch.tensor([0, 2, 3]))
    >>> xs.padded().flatten(1)
    tensor([[0.2500, 0.5000],
            [0.2500, 0.0000]])
    """

    _distinct: Tensor
    _reads: Tensor

    def __init__(self, distinct: Tensor, reads: Tensor, offsets: Tensor) -> None:
        numbers = reads.dim() == 1 and reads.dtype == torch.int64 and reads.device == distinct.device
        if not numbers or distinct.dim() != 2:
            raise ShapeError(
                "These are no rows, or no numbers of rows.",
                expected="rows of shape (rows, features), and for each step an int64 beside them",
                received=f"{tuple(distinct.shape)} on {distinct.device}, and {reads.dtype} of shape "
                f"{tuple(reads.shape)} on {reads.device}",
                fix="Shared(rows, reads.flatten().long(), offsets)",
            )
        Ragged(reads, offsets)  # do they fit?
        self.__dict__.update(_distinct=distinct, _reads=reads.contiguous(), offsets=offsets)

    @classmethod
    def like(cls, xs: Ragged, distinct: Tensor, reads: Tensor) -> Shared:
        """With the lengths of another batch, of reads that are known to fit."""
        made = cls.__new__(cls)
        made.__dict__.update(_distinct=distinct, _reads=reads, offsets=xs.offsets)
        return made

    @property
    def distinct(self) -> Tensor:
        return self._distinct

    @property
    def reads(self) -> Tensor:
        return self._reads

    @property
    def values(self) -> Tensor:
        return F.embedding(self.reads, self.distinct)  # whose gradient is quicker than that of an index

    def with_values(self, values: Tensor) -> Ragged:
        return Ragged._made(self.reads, self.offsets).with_values(values)


@dataclass(frozen=True, eq=False)
class Walk:
    """The order in which a recurrence visits the steps of a batch: time by time, longest first.

    At time `t` the first `sizes[t]` sequences of `order` are still running, so that the running
    ones are always a leading slice. Backwards, each sequence starts at its own last step.
    """

    order: Tensor
    index: Tensor
    sizes: list[int]

    @classmethod
    def over(cls, offsets: Tensor, *, reverse: bool = False, order: Tensor | None = None) -> Walk:
        """The walk over sequences with these offsets, in O(steps)."""
        xs = Ragged(torch.empty(int(offsets[-1]), 0, device=offsets.device), offsets)
        lengths, steps = xs.lengths, int(offsets[-1])
        if order is None:
            order = torch.argsort(lengths, descending=True, stable=True)
        order = order.to(offsets.device)
        rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(xs), device=order.device))
        times = lengths[xs.rows] - 1 - xs.positions if reverse else xs.positions
        sizes = torch.bincount(times)
        place = offsets_of(sizes)[times] + rank[xs.rows]
        here = torch.arange(steps, device=offsets.device)
        return cls(order, torch.empty_like(place).scatter_(0, place, here), sizes.tolist())

    def along(self, values: Tensor) -> Tensor:
        """Values in batch order, put into the order of the walk."""
        return values.index_select(0, self.index)

    def back(self, values: Tensor) -> Tensor:
        """Values in the order of the walk, put back into batch order."""
        here = torch.arange(self.index.shape[0], device=self.index.device)
        return values.index_select(0, torch.empty_like(self.index).scatter_(0, self.index, here))


def joined(parts: Sequence[Ragged]) -> Ragged:
    """Sequence by sequence, the steps of each part, one part after the other.

    Raises:
        ShapeError: no part, or parts of unlike batch sizes.

    >>> one, two = Ragged.of([torch.ones(2), torch.ones(0)]), Ragged.of([torch.zeros(1)] * 2)
    >>> joined([one, two, one]).padded(-1)
    tensor([[ 1.,  1.,  0.,  1.,  1.],
            [ 0., -1., -1., -1., -1.]])
    """
    if len({len(one) for one in parts}) != 1:
        raise ShapeError(
            "Only parts of equally many sequences can be joined.", received=[len(one) for one in parts]
        )
    offsets = offsets_of(torch.stack([one.lengths for one in parts]).sum(0))
    values = torch.cat([one.values for one in parts])
    places, start = [], offsets[:-1]
    for one in parts:
        places.append(start[one.rows] + one.positions)
        start = start + one.lengths
    return Ragged(torch.empty_like(values).index_copy_(0, torch.cat(places), values), offsets)


def offsets_of(lengths: Tensor) -> Tensor:
    """The offsets of sequences with these lengths: a zero, then the running sum."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
