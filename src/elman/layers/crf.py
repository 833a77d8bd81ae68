"""A linear-chain conditional random field: tags that are chosen together, not one by one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elman.errors import SettingsError, ShapeError
from elman.ragged import Ragged, Walk

TINY = 1e-30
"""Below this a sum of exponentials may have lost a term to rounding, and is taken anew in logarithms."""


class CRF(nn.Module):
    """Scores whole sequences of tags by their emissions and by what follows what.

        s(y) = start[y_1] + Σ_t e_t[y_t] + Σ_t A[y_t-1, y_t] + end[y_T]        p(y) = exp(s(y) - log Z)

    What is not allowed has the score -∞ and the probability 0. The sequence of length 0 has one
    tagging, the empty one, with the score 0. Source: Lafferty et al. 2001, "Conditional random fields".

    Args:
        tags: how many there are.
        follows: `tags tags`, True where the column may follow the row; all of it if None.
        first, last: `tags`, True where a sequence may begin or end so; all of it if None.

    Shapes: emissions `steps tags`, path `steps` of int64. `log_partition`, `score`: `batch`.

    Raises:
        SettingsError: masks of another size, or such that no sequence of one tag is left.
        ShapeError: emissions or a path of another size.

    >>> crf = CRF(3)
    >>> emissions = Ragged.of([torch.randn(4, 3), torch.randn(1, 3)])
    >>> crf.best(emissions).lengths.tolist(), crf.marginals(emissions).values.shape
    ([4, 1], torch.Size([5, 3]))
    """

    follows: Tensor
    first: Tensor
    last: Tensor

    def __init__(
        self,
        tags: int,
        follows: Tensor | None = None,
        first: Tensor | None = None,
        last: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.tags = tags
        for name, mask, shape in (
            ("follows", follows, (tags, tags)),
            ("first", first, (tags,)),
            ("last", last, (tags,)),
        ):
            mask = torch.ones(shape, dtype=torch.bool) if mask is None else mask.bool()
            if mask.shape != shape:
                raise SettingsError(
                    f"The mask {name} does not fit the tags.", expected=shape, received=tuple(mask.shape)
                )
            # Not saved: it follows from the tags, which are.
            self.register_buffer(name, mask, persistent=False)
        if not bool((self.first & self.last).any()):
            raise SettingsError(
                "No tag may stand alone.", expected="a tag that may be both first and last"
            )
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))

    def forward(self, emissions: Ragged, path: Ragged) -> Tensor:
        """The logarithm of the probability of each path: `batch`; -∞ for one that is not allowed."""
        return self.score(emissions, path) - self.log_partition(emissions)

    def score(self, emissions: Ragged, path: Ragged) -> Tensor:
        """The score of each path: `batch`."""
        self._check(emissions, path)
        step, start, end = self._scores()
        rows, tags = emissions.rows, path.values
        terms = emissions.values.gather(1, tags[:, None]).squeeze(1)
        inner = emissions.positions > 0
        before = tags.roll(1)
        terms = terms + torch.where(inner, step[before, tags], start[tags])
        closing = emissions.positions == emissions.lengths[rows] - 1
        terms = terms + torch.where(closing, end[tags], torch.zeros_like(terms))
        return terms.new_zeros(len(emissions)).index_add(0, rows, terms)

    def log_partition(self, emissions: Ragged) -> Tensor:
        """The logarithm of the sum over all paths, log Σ_y exp(s(y)): `batch`. The forward algorithm."""
        self._check(emissions)
        step, start, end = self._scores()
        walk = Walk.over(emissions.offsets)
        reach, ended = emissions.values.new_zeros(0, self.tags), []
        chances = step.exp()
        for t, here in enumerate(walk.along(emissions.values).split(walk.sizes)):
            if t:
                ended.append(reach[len(here) :])
                reach = here + _passed(reach[: len(here)], step, chances)
            else:
                reach = here + start
        # The walk goes longest first: those that end last stand first.
        whole = torch.cat([reach, *reversed(ended)])
        found = torch.logsumexp(whole + end, -1)
        found = torch.cat([found, found.new_zeros(len(emissions) - len(found))])
        return torch.zeros_like(found).index_copy(0, walk.order, found)

    @torch.no_grad()
    def best(self, emissions: Ragged) -> Ragged:
        """The likeliest path of each sequence, by Viterbi's algorithm; of equals the lower tag."""
        self._check(emissions)
        step, start, end = self._scores()
        walk = Walk.over(emissions.offsets)
        parts = walk.along(emissions.values).split(walk.sizes) if walk.sizes else ()
        reached: list[Tensor] = []
        came: list[Tensor] = []
        for t, here in enumerate(parts):
            if t:
                highest, where = (reached[-1][: len(here), :, None] + step).max(1)
                came.append(where)
                reached.append(highest + here)
            else:
                reached.append(start + here)
        # Backwards: whoever ends at this time joins with its own best end.
        path: list[Tensor] = []
        now = emissions.offsets.new_zeros(0)
        for t in reversed(range(len(reached))):
            if t < len(came):
                now = came[t][: len(now)].gather(1, now[:, None]).squeeze(1)
            now = torch.cat([now, (reached[t][len(now) :] + end).argmax(-1)])
            path.append(now)
        flat = torch.cat(path[::-1]) if path else now
        return emissions.with_values(walk.back(flat))

    def marginals(self, emissions: Ragged) -> Ragged:
        """The probability of each tag at each step over all paths: `steps tags`.

        It is the gradient of the log-partition with respect to the emission.
        """
        with torch.inference_mode(False), torch.enable_grad():
            values = emissions.values.detach().clone().requires_grad_()
            total = self.log_partition(Ragged(values, emissions.offsets.clone())).sum()
            (found,) = torch.autograd.grad(total, values, allow_unused=True, materialize_grads=True)
        return emissions.with_values(found)

    def _scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """The transitions, starts and ends, -∞ where they are not allowed."""
        return (
            self.transitions.masked_fill(~self.follows, -torch.inf),
            self.start.masked_fill(~self.first, -torch.inf),
            self.end.masked_fill(~self.last, -torch.inf),
        )

    def _check(self, emissions: Ragged, path: Ragged | None = None) -> None:
        if emissions.values.dim() != 2 or emissions.values.shape[1] != self.tags:
            raise ShapeError(
                f"CRF(tags={self.tags}) received other emissions.",
                expected=f"(steps, {self.tags})",
                received=tuple(emissions.values.shape),
            )
        if path is not None and not torch.equal(path.offsets, emissions.offsets):
            raise ShapeError(
                "The path does not have a tag for each step.",
                expected=f"lengths {emissions.lengths.tolist()}",
                received=f"lengths {path.lengths.tolist()}",
            )


def _passed(reach: Tensor, step: Tensor, chances: Tensor) -> Tensor:
    """log Σ_i exp(reach_i + step_ij): `batch tags`; a product of matrices where nothing is lost by it."""
    highest = reach.detach().amax(-1, keepdim=True)
    total = (reach - highest).exp() @ chances
    if bool((total > TINY).all()):
        return total.log() + highest
    # Exactly, and with gradients that stay finite where no path leads to a tag.
    terms = reach[:, :, None] + step
    none = terms.detach().amax(1) == -torch.inf
    found = torch.logsumexp(terms.masked_fill(none[:, None, :], 0.0), 1)
    return found.masked_fill(none, -torch.inf)
