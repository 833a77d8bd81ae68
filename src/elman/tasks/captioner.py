"""Words for a picture: captions, in whatever language they were learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import metrics
from elman.answers import Caption, TextReport
from elman.codecs.image import Image, ImageSettings
from elman.codecs.series import Series
from elman.codecs.text import END, START, Text, TextSettings
from elman.data import Batches, Records, labelled
from elman.decoding.base import Decoding, Hypothesis
from elman.decoding.beam import Beam
from elman.decoding.greedy import Greedy
from elman.errors import DataError, SettingsError
from elman.layers.attention import ATTENTIONS, Attention
from elman.layers.convolution import Convolutions, Regions
from elman.layers.dropout import Dropout
from elman.layers.embedding import UNKNOWN
from elman.layers.lexicon import Lexicon, forced
from elman.layers.recurrent import Recurrent
from elman.ragged import Ragged, offsets_of
from elman.seen import Gaze
from elman.structures.n_to_m import NToM
from elman.structures.one_to_n import ACTS, OneToN
from elman.tasks.base import Estimator, Prepare
from elman.training import Problem, Training

Examples = tuple[Ragged, Ragged]
"""Pictures, one step each, and the numbers of their captions' tokens."""
SETTLING = 256
"""Pictures by which an untrained network is centred."""
GRID = 8
"""Regions on a side that are hidden, one after the other, to see what a word rests on."""


class Captioner(Estimator):
    """Says what is in a picture: the picture acts on every word.

        z = encoder(picture)        h[t] = cell(h[t-1], [e(y[t-1]) ; z])        p(y[t]) = f([h[t] ; z])

    With `attention`, the picture is a sequence of regions, which a recurrence reads in both directions,
    and each word has its own look at them (see `NToM`). The encoder is convolutional, and is trained with
    the rest. Where a picture is a list of numbers, these are features made elsewhere, and are `z` after a
    linear layer.

    Sources: Vinyals et al. 2014, arXiv 1411.4555; Xu et al. 2015, arXiv 1502.03044 (attention).

    Args:
        cell: `rnn`, `rnn-relu`, `lstm`, `gru`, or any other that `elman list cells` names.
        hidden_size: hidden units of the recurrence that writes.
        num_layers: its layers.
        attention: `additive`, `dot` or `general`; None for one vector that acts on every word.
        acts: without attention, what the picture acts on: `input`, `state` or `both` (see `OneToN`).
        image: how pictures are seen.
        text: how captions become tokens.
        decode: how they are written, unless `predict` is told otherwise.
        training: how the network is trained, with the seed. A word before is hidden with the chance
            `word_dropout`, so that the picture is looked at (Bowman et al. 2015, arXiv 1511.06349).

    Attributes after `fit`:
        network_: a `OneToN` or `NToM`. input_, text_: the codecs. history_: the figures of each epoch.

    >>> dark, light = [np.full((8, 8), value, np.uint8) for value in (0, 255)]
    >>> small = Training(epochs=30, batch_size=4, dropout=0.0, learning_rate=0.005)
    >>> model = Captioner(hidden_size=16, image=ImageSettings(size=8, channels=4, tint=0), training=small)
    >>> rows = {"image": [dark, light] * 8, "text": ["a dark night", "snow"] * 8}
    >>> model.fit(rows, dev=rows).predict(dark).text
    'a dark night'
    """

    task: ClassVar[str] = "captioner"
    kind: ClassVar[str] = "captioner"
    structure: ClassVar[str] = "one-to-n"
    roles: ClassVar[Mapping[str, str]] = {"image": "image", "text": "text"}
    senses: ClassVar[tuple[str, ...]] = ("image",)
    codecs: ClassVar[tuple[str, ...]] = ("input", "text")

    def __init__(  # noqa: PLR0913 - what may be chosen
        self,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        *,
        attention: str | None = None,
        acts: str = "input",
        image: ImageSettings = ImageSettings(),  # noqa: B008 - frozen
        text: TextSettings = TextSettings(characters=None, lowercase=False, embedding_size=64),  # noqa: B008
        decode: Decoding = Beam(beam_size=5, length_penalty=1.0),  # noqa: B008
        training: Training = Training(dropout=0.5, learning_rate=1e-3, batch_size=32),  # noqa: B008
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.attention, self.acts = attention, acts
        self.image, self.text, self.decode, self.training = image, text, decode, training

    # --- learning ---

    def fit(
        self,
        source: Any,
        y: Sequence[str] | None = None,
        *,
        image: str = "image",
        text: str = "text",
        dev: Any = None,
        out: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Self:
        """Train on pictures and what is to be said of them.

        Args:
            source: a file (CSV, JSONL, ...) with paths of pictures, which may be relative to its folder; a
                data frame or dict of columns; or, with `y`, a list of pictures: paths, arrays, images of
                Pillow, or lists of features.
            y: their captions.
            image: the column of pictures. One may stand in several rows, with a caption in each.
            text: the column of captions.
            dev: what the best epoch is chosen on: like `source`, or a pair `(pictures, captions)`. A tenth
                of `source` is set aside if it is None.
            out: a folder for the run: checkpoints, figures, the model. A run that was interrupted there
                goes on, to the same result.
            about: facts for the model card, by name.

        Raises:
            DataError: a picture or a caption that cannot be used, with its file.
            SettingsError: settings that contradict each other.
            TrainingError: the loss is not finite, or the folder holds another run.
        """
        if self.attention is not None and self.attention not in ATTENTIONS:
            raise SettingsError(
                "There is no such attention.",
                expected=", ".join([*ATTENTIONS, "none"]),
                received=self.attention,
            )
        if self.acts not in ACTS:
            raise SettingsError("A picture cannot act like that.", expected=ACTS, received=self.acts)
        if self.image.parts != "whole":
            raise SettingsError(
                "A captioner sees pictures whole.",
                received=f"parts={self.image.parts}",
                fix='parts="whole", with attention="additive" for a look at each region',
            )
        given = source if y is None else (source, y)
        return self._fit(given, {"image": image, "text": text}, dev=dev, out=out, about=about)

    def _examples(self, source: Any, y: Any = None) -> Records:
        rows = labelled(source, y, text=self.columns_["image"], label=self.columns_["text"])
        captions = rows.column(self.columns_["text"])
        wrong = [i for i, one in enumerate(captions) if not isinstance(one, str) or not one.strip()]
        rows.refuse(self.columns_["text"], wrong, "have no caption", fix="fill them or take them out")
        return rows

    def _learn_codecs(self, rows: Records) -> Prepare | None:
        pictures = self.asked(rows)
        self.text_ = Text(self.text).fit(rows.column(self.columns_["text"]))
        if _is_vector(pictures[0]):
            self.input_ = Series().fit([[one] for one in pictures])
            return None
        self.input_ = Image(self.image).fit(pictures)
        some = self._seen(pictures[:: max(1, len(pictures) // SETTLING)][:SETTLING]).values
        whole = self.attention is None
        return lambda network: (network.inputs[0] if whole else network.inputs).eval().settle(some)

    def _encoded(self, rows: Records) -> Examples:
        written = self.text_.encode(rows.column(self.columns_["text"]))
        return self._seen(self.asked(rows)), written.with_values(written.values[:, 0].long())

    def _seen(self, pictures: Sequence[Any]) -> Ragged:
        if isinstance(self.input_, Series):
            return self.input_.encode([[one] for one in pictures])
        return self.input_.encode(pictures)

    def _network(self) -> OneToN | NToM:
        training, size = self.training, self.hidden_size
        options: dict[str, Any] = {
            "num_layers": self.num_layers,
            "dropout": training.dropout if self.num_layers > 1 else 0.0,
            "recurrent_dropout": training.recurrent_dropout,
        }
        width, words = self.text.embedding_size, self.text_.size
        if self.attention is None:
            more = 0 if self.acts == "state" else size
            lexicon = Lexicon(words, width, features=size + more, dropout=training.dropout)
            recurrent = Recurrent(self.cell, width + more, size, **options)
            return OneToN(self._reader(), lexicon, recurrent, features=size, acts=self.acts)
        if isinstance(self.input_, Series):
            raise SettingsError("One vector of features has no regions.", fix="attention=None")
        eye = self.input_.reader(training.dropout, least=2 * GRID)
        assert isinstance(eye, Convolutions)
        encoder = Recurrent(self.cell, eye.features, size // 2, bidirectional=True)
        return NToM(
            Regions(eye),
            encoder,
            Lexicon(words, width, features=2 * size, dropout=training.dropout),
            Recurrent(self.cell, width, size, **options),
            attention=Attention(self.attention, size, size),
        )

    def _reader(self) -> nn.Module:
        """From what is given to the vector that acts on every word."""
        dropout, size = Dropout(self.training.dropout), self.hidden_size
        if isinstance(self.input_, Series):
            return nn.Sequential(dropout, nn.Linear(self.input_.features, size), nn.Tanh())
        eye = self.input_.reader()
        return nn.Sequential(eye, dropout, nn.Linear(eye.output_size, size))

    def _problem(self, train: Examples, dev: Examples) -> Problem:
        xs, ys = train
        smoothing, hidden = self.training.label_smoothing, self.training.word_dropout
        whole = self.attention is None

        def loss(model: Any, batch: Examples) -> Tensor:
            given, wanted = forced(batch[1], START, END)
            if hidden:  # what cannot be read off the words before has to be seen in the picture
                hit = torch.rand(given.values.shape, device=given.values.device) < hidden
                given = given.with_values(given.values.masked_fill(hit & (given.positions > 0), UNKNOWN))
            found = model(batch[0].values if whole else batch[0], given, wanted).values
            return -(1 - smoothing) * found[:, 0].mean() - smoothing * found[:, 1].mean()

        return Problem(
            lengths=ys.lengths.tolist(),
            batch=lambda chosen: (xs[chosen], ys[chosen]),
            loss=loss,
            evaluate=(lambda _: self._figures(*dev)) if len(dev[0]) else None,
            monitor="score",
        )

    def _figures(self, xs: Ragged, ys: Ragged) -> dict[str, float]:
        """How good greedy captions of dev are after an epoch, token by token."""
        found = [one[0].tokens for one in self._written(xs, Greedy())]
        truth = [one.tolist() for one in ys]
        texts = [[" ".join(map(str, one)) for one in side] for side in (found, truth)]
        bleu = metrics.plain_bleu(texts[0], [[one] for one in texts[1]])
        exact = float(np.mean([one == other for one, other in zip(found, truth, strict=True)]))
        return {"score": exact + bleu / 100, "bleu": bleu, "exact": exact}

    # --- asking ---

    def predict(self, source: Any, decode: Decoding | None = None) -> Any:
        """The caption of one picture, or of each in a list: a `Caption`, or a list of them.

        Args:
            source: a path, an array, an image of Pillow, or a list of such.
            decode: how to write; `decode` of the constructor if None. `Beam(n_best=3)` gives three texts.
        """
        self._check_fitted()
        single = _is_vector(source) if isinstance(self.input_, Series) else self.input_.is_one(source)
        if not single and not hasattr(source, "__len__"):
            raise DataError("This is no picture, and no list of them.", received=repr(source)[:80])
        found = []
        for own in self._written(self._seen([source] if single else list(source)), decode):
            tokens = [[self.text_.spelled(number) for number in one.tokens] for one in own]
            pairs = zip(tokens, own, strict=True)
            found.append(Caption([(self.text_.text(a), b.score) for a, b in pairs], tokens[0]))
        return found[0] if single else found

    def score(self, source: Any, y: Sequence[str] | None = None) -> float:
        """BLEU, from 0 to 1."""
        return self.evaluate(source, y).figures["bleu"] / 100

    def evaluate(
        self, source: Any, y: Sequence[str] | None = None, decode: Decoding | None = None
    ) -> TextReport:
        """How good captions are; of a picture that comes with several, each may be meant.

        The figures are `exact`, the share written token by token as one of their references, `bleu` (0 to
        100) and `cider` (0 to 10).
        """
        self._check_fitted()
        rows = self._examples(source, y)
        pictures: dict[Any, Any] = {}
        meant: dict[Any, list[str]] = {}
        for one, text in zip(self.asked(rows), rows.column(self.columns_["text"]), strict=True):
            key = one if isinstance(one, str) else (np.shape(one), np.asarray(one).tobytes())
            pictures.setdefault(key, one)
            meant.setdefault(key, []).append(text)
        found = self.predict(list(pictures.values()), decode)
        references = list(meant.values())
        tokens = [[self.text_.tokens(text) for text in several] for several in references]
        own = [one.tokens for one in found]
        exact = [one in several for one, several in zip(own, tokens, strict=True)]
        texts = [one.text for one in found]
        figures, signature = metrics.of_texts("bleu", texts, references, lowercase=self.text.lowercase)
        figures = {"exact": float(np.mean(exact)), **figures, "cider": metrics.cider(own, tokens)}
        return TextReport(len(pictures), len(rows), figures, signature)

    def inspect(self, picture: Any, top: int = 1) -> Gaze:
        """Where each word of the caption looked: by attention, or by what it misses where a region is hidden.

        Raises:
            SettingsError: the model is given features, in which there is no place.
        """
        self._check_fitted()
        if isinstance(self.input_, Series):
            raise SettingsError("Features have no place in a picture.", fix="train on the pictures")
        xs = self._seen([picture])
        best = self._written(xs, None)[0][0]
        ys = _ragged([best.tokens])
        tokens = [self.text_.spelled(one) for one in best.tokens] + ["</s>"] * best.finished
        network = self.network_
        with torch.inference_mode():
            given, wanted = forced(ys, START, END)
            if isinstance(network, NToM):
                assert isinstance(network.inputs, Regions)
                rows, columns = network.inputs.convolutions.grid
                weights = network.looked(xs, given)[0].view(-1, rows, columns).numpy()
            else:
                weights = self._missed(network, xs.values, given, wanted)
        way = "occlusion" if self.attention is None else "attention"
        return Gaze(tokens, self.input_.decode(xs)[0], weights[: len(tokens)], way)

    def _missed(self, network: OneToN, x: Tensor, given: Ragged, wanted: Ragged) -> np.ndarray:
        """How much of each token's log-probability is lost where a region is hidden: `tokens rows columns`."""
        place = torch.arange(GRID * GRID)
        masks = F.one_hot(place, GRID * GRID).view(-1, 1, GRID, GRID).float()
        masks = F.interpolate(masks, x.shape[-2:], mode="bilinear", align_corners=False) * 2
        plain = x.float().mean((2, 3), keepdim=True)
        hidden = x.float() + (plain - x) * masks.clamp(0, 1)
        hidden = torch.cat([x.float(), hidden])
        every = [Ragged.of([one.values] * len(hidden)) for one in (given, wanted)]
        found = network(hidden, *every).values[:, 0].view(len(hidden), -1)
        lost = (found[:1] - found[1:]).clamp_min(0).T
        shares = lost / lost.sum(-1, keepdim=True).clamp_min(1e-9)
        flat = lost.sum(-1, keepdim=True) < 1e-9
        return torch.where(flat, 1 / len(place), shares).view(-1, GRID, GRID).numpy()

    @torch.inference_mode()
    def _written(self, xs: Ragged, decode: Decoding | None) -> list[list[Hypothesis]]:
        """The hypotheses for each picture, batch by batch."""
        network, decode = self.network_.eval(), decode or self.decode
        device = network.lexicon.bias.device
        known = torch.ones(END + 1, dtype=torch.bool, device=device)
        known[:END] = False  # padding, the unknown token and the start are never written
        found: list[list[Hypothesis]] = []
        for batch in Batches(np.ones(len(xs), np.int64), batch_size=64).ordered():
            own = xs[batch].to(device)
            state = network.start(own.values if self.attention is None else own)
            most = torch.full((len(own),), 60)
            found += decode.run(
                network,
                state,
                torch.full((len(own),), START, device=device),
                end=END,
                lengths=(torch.ones_like(most), most),
                constraint=lambda prefixes, sentences: known,
            )
        return found

    # --- keeping ---

    def _facts(self) -> dict[str, Any]:
        side = f"pictures of {self.image.size} × {self.image.size} pixels"
        return {
            "Network": f"{self.cell}, hidden size {self.hidden_size}, {self.num_layers} layer(s), "
            f"attention {self.attention or 'none'}, {side}",
            "Vocabulary": f"{self.text_.size} tokens",
        }


def _is_vector(one: Any) -> bool:
    """Whether this is a list of numbers: features that were made elsewhere."""
    return hasattr(one, "__len__") and not isinstance(one, str) and np.ndim(one) == 1


def _ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    flat = np.array([one for row in rows for one in row], dtype=np.int64)
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return Ragged(torch.from_numpy(flat), offsets_of(lengths))
