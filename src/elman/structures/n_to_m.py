"""N-to-M: a sequence is read, and another one, of any length, is written: encoder and decoder."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from elman.cells.base import State
from elman.errors import SettingsError
from elman.layers.attention import Attention, Memory
from elman.layers.embedding import read
from elman.layers.lexicon import Lexicon, likelihood
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged

WriteState = tuple[State, Memory, Tensor, Tensor, Tensor]
"""The recurrence; what can be looked at; `c`, or the output before; what is covered; what can be copied."""


class NToM(nn.Module):
    """An encoder compresses the input to a context `c`, and `c` acts on every step of a decoder.

        h = encoder(x)        c = [h→[N] ; h←[1]]        s[0] = tanh(W_s·c + b_s)
        s[t] = decoder(s[t-1], [e(y[t-1]) ; c])          p(y[t]) = softmax(lexicon([s[t] ; c]))

    Attention replaces the fixed `c` by one for each step, the mean of the encoder's outputs by their
    weight. All steps of a sequence that is given are then computed at once.

        s[t] = decoder(s[t-1], e(y[t-1]))        c[t] = attention(s[t], m)        m = W_m·h
        p(y[t]) = softmax(lexicon([s[t] ; c[t]]))

    With `feeding`, a step also reads the output before, so that it knows what was looked at; that goes
    step by step:    s[t] = decoder(s[t-1], [e(y[t-1]) ; o[t-1]]).

    With `copy`, a token is written from the vocabulary, or copied from the input, where it may be one
    that the vocabulary does not hold:

        g = σ(w·[s[t] ; c[t] ; e(y[t-1])])       p(y) = g·softmax(…)[y] + (1 - g)·Σ a_i over x_i = y

    Sources: Cho et al. 2014, arXiv 1406.1078; Bahdanau et al. 2014, arXiv 1409.0473; Luong et al. 2015,
    arXiv 1508.04025 (input feeding); See et al. 2017, arXiv 1704.04368 (copying).

    Args:
        inputs: a module from steps to features, step by step; or one with `steps`, which makes more of each
            (the regions of a picture, see `Regions`).
        encoder: the recurrence that reads; any cell, one direction or both.
        lexicon: the tokens that are written; its features are twice the decoder's hidden size.
        decoder: the recurrence that writes; one direction. It reads `lexicon.size` numbers and, with a
            fixed context, `decoder.hidden_size` more, or with feeding `lexicon.size` more.
        attention: from the decoder's states to memories of the decoder's size; None for a fixed context.
        feeding: whether a step reads the output before.
        copy: whether tokens may be copied; needs attention.

    Raises:
        SettingsError: sizes that do not fit, a decoder that reads backwards, copying without attention.

    >>> network = NToM(
    ...     nn.Identity(), Recurrent("gru", 3, 8), Lexicon(9, 4, features=16), Recurrent("gru", 4, 8),
    ...     attention=Attention("dot", 8, 8))
    >>> xs, ys = Ragged.of([torch.randn(5, 3)]), Ragged.of([torch.tensor([2, 7])])
    >>> network(xs, ys, Ragged.of([torch.tensor([7, 3])])).values.shape
    torch.Size([2, 3])
    """

    forwards: ClassVar[tuple[str, ...]] = ("guessed",)

    def __init__(
        self,
        inputs: nn.Module,
        encoder: Recurrent,
        lexicon: Lexicon,
        decoder: Recurrent,
        *,
        attention: Attention | None = None,
        feeding: bool = False,
        copy: bool = False,
    ) -> None:
        super().__init__()
        if attention is None and (copy or feeding):
            raise SettingsError(
                "Without attention there is nothing to copy by, and no output to feed.",
                received=f"copy={copy}, feeding={feeding}",
                fix='choose an attention: "additive", "general" or "dot"',
            )
        size = decoder.hidden_size
        more = size if attention is None else lexicon.size * feeding
        if decoder.bidirectional or decoder.input_size != lexicon.size + more:
            raise SettingsError(
                "This decoder cannot write.",
                expected=f"one direction, input_size={lexicon.size + more}",
                received=f"bidirectional={decoder.bidirectional}, input_size={decoder.input_size}",
            )
        self.inputs, self.encoder, self.lexicon, self.decoder = inputs, encoder, lexicon, decoder
        self.attention, self.feeding = attention, feeding
        self.context = nn.Linear(encoder.output_size, size)
        self.initial = nn.Linear(encoder.output_size, decoder.state_size)
        self.gate = nn.Linear(2 * size + lexicon.size, 1) if copy else None

    def forward(self, xs: Ragged, given: Ragged, wanted: Ragged, copies: Ragged | None = None) -> Ragged:
        """How likely each wanted token is, all that came before being given.

        Shapes: xs `steps features`; given, wanted `steps`; copies, the number that each step of `xs` has
            among what is written, `steps`: one past the vocabulary for a token that is not in it.
        Result: `steps 3`: the log-probability of the wanted token, the mean of those of all tokens, and
            how much is looked at again, Σ min(a[t]_i, k[t]_i).
        """
        state = self.start(xs, copies)
        h, e, context, weights, output = self._written(given, state)
        found = likelihood(self.lexicon.logits(output), self._within(wanted.values))
        place = (given.rows, given.positions)
        again = found.new_zeros(len(found))
        if self.attention is not None and self.attention.coverage:
            before = weights.cumsum(1) - weights
            again = torch.minimum(weights, before).sum(-1)[place]
        if self.gate is not None and copies is not None:
            gate = self._gate(torch.cat([h, context, e], -1), state[1].real[given.rows])[:, 0]
            same = copies.padded(fill=-1)[given.rows] == wanted.values[:, None]
            share = (weights[place] * same).sum(-1)
            tiny = torch.finfo(share.dtype).tiny
            inside = torch.where(wanted.values < self.lexicon.vocabulary, found[:, 0], -1e4)
            own = torch.logaddexp(
                nn.functional.logsigmoid(gate) + inside,
                nn.functional.logsigmoid(-gate) + share.clamp_min(tiny).log(),
            )
            found = torch.stack([own, found[:, 1]], -1)
        return given.with_values(torch.cat([found, again[:, None]], -1))

    def looked(self, xs: Ragged, given: Ragged) -> list[Tensor]:
        """The weights of attention in each sentence, `written read`."""
        state = self.start(xs)
        weights = self._written(given, state)[3]
        lengths = zip(given.lengths.tolist(), state[1].real.sum(-1).tolist(), strict=True)
        return [one[:m, :n] for one, (m, n) in zip(weights, lengths, strict=True)]

    @torch.no_grad()
    def guessed(self, xs: Ragged, given: Ragged, chance: float) -> Ragged:
        """What is given, each token but the first replaced with this chance by one the network draws there.

        That is scheduled sampling (Bengio et al. 2015, arXiv 1506.03099) in two passes, each over all
        steps at once (Mihaylova and Martins 2019, arXiv 1906.07651).
        """
        output = self._written(given, self.start(xs))[-1]
        drawn = self.lexicon.logits(output).softmax(-1).multinomial(1)[:, 0].roll(1)
        hit = torch.rand(len(drawn), device=drawn.device) < chance
        return given.with_values(torch.where(hit & (given.positions > 0), drawn, given.values))

    # --- step by step ---

    def start(self, xs: Ragged, copies: Ragged | None = None) -> WriteState:
        """The state before the first step, of sequences that were read."""
        several = getattr(self.inputs, "steps", None)
        scan = self.encoder(several(xs) if several else read(self.inputs, xs))
        summary = self.encoder.last(scan)
        state = self.decoder.divided(torch.tanh(self.initial(summary)))
        nothing = summary.new_zeros(len(summary), 0)
        if self.attention is None:
            memory = Memory(nothing, nothing, nothing)
            return state, memory, self.context(summary), nothing, nothing
        steps = scan.outputs.with_values(self.context(scan.outputs.values))
        memory = self.attention.memory(steps)
        fed = summary.new_zeros(len(summary), self.lexicon.size * self.feeding)
        covered = summary.new_zeros(memory.real.shape)
        if self.gate is None or copies is None:
            return state, memory, fed, covered, nothing
        return state, memory, fed, covered, copies.padded(fill=-1)

    def step(self, tokens: Tensor, state: WriteState) -> tuple[Tensor, WriteState]:
        """The log-probabilities of the next token of each row, `rows vocabulary` and what can be copied."""
        recurrent, memory, fed, covered, copies = state
        e = self.lexicon.read(tokens)
        h, recurrent = self.decoder.step(torch.cat([e, fed], -1), recurrent)
        context, weights = fed, None
        if self.attention is not None:
            found, weights, covered = self.attention(h[:, None], memory, covered)
            context = found[:, 0]
        output = self.lexicon.output(torch.cat([h, context], -1))
        scores = self.lexicon.logits(output).log_softmax(-1)
        if weights is not None and copies.shape[1]:
            gate = torch.sigmoid(self._gate(torch.cat([h, context, e], -1), memory.real))
            size = max(self.lexicon.vocabulary, int(copies.max()) + 1)
            chances = nn.functional.pad(scores.exp() * gate, (0, size - scores.shape[1]))
            share = (1 - gate) * weights[:, 0] * (copies >= 0)
            scores = chances.scatter_add(1, copies.clamp_min(0), share).log()
        fed = output if self.feeding else fed
        return scores, (recurrent, memory, fed, covered, copies)

    def select(self, state: WriteState, rows: Tensor) -> WriteState:
        """The state of these rows, in this order."""
        recurrent, memory, *others = state
        fed, covered, copies = (one.index_select(0, rows) for one in others)
        return self.decoder.select(recurrent, rows), memory.select(rows), fed, covered, copies

    # --- inside ---

    def _written(
        self, given: Ragged, state: WriteState
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """States, vectors of the tokens, contexts and outputs of all steps, `steps …`; weights, padded."""
        recurrent, memory, fed, _, _ = state
        e = self.lexicon.read(given.values)
        if self.feeding:
            return self._fed(given, e, state)
        x = e if self.attention is not None else torch.cat([e, fed[given.rows]], -1)
        outputs = self.decoder(given.with_values(x), recurrent).outputs
        h = outputs.values
        if self.attention is None:
            context, weights = fed[given.rows], h.new_zeros(len(given), 0, 0)
        else:
            contexts, weights, _ = self.attention(outputs.padded(), memory)
            context = contexts[given.rows, given.positions]
        return h, e, context, weights, self.lexicon.output(torch.cat([h, context], -1))

    def _fed(
        self, given: Ragged, e: Tensor, state: WriteState
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The same step by step, each one reading the output before."""
        recurrent, memory, fed, covered, _ = state
        attention, parts = self.attention, []
        assert attention is not None
        for vectors in given.with_values(e).padded().unbind(1):
            h, recurrent = self.decoder.step(torch.cat([vectors, fed], -1), recurrent)
            context, weights, covered = attention(h[:, None], memory, covered)
            fed = self.lexicon.output(torch.cat([h, context[:, 0]], -1))
            parts.append((h, context[:, 0], weights[:, 0], fed))
        if not parts:
            nothing = e.new_zeros(0, self.decoder.hidden_size)
            return nothing, e, nothing, e.new_zeros(len(given), 0, 0), e
        h, context, weights, output = (torch.stack(one, 1) for one in zip(*parts, strict=True))
        place = (given.rows, given.positions)
        return h[place], e, context[place], weights, output[place]

    def _gate(self, features: Tensor, real: Tensor) -> Tensor:
        """How far it is open to the vocabulary, before σ; wide open where there is nothing to copy."""
        assert self.gate is not None
        return self.gate(features).masked_fill(~real.any(-1, keepdim=True), 1e4)

    def _within(self, tokens: Tensor) -> Tensor:
        """Numbers of the vocabulary; what is copied is looked up elsewhere."""
        return tokens.masked_fill(tokens >= self.lexicon.vocabulary, 0)
