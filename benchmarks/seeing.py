"""Pictures and films: elman's own by a recipe, and what costs nothing beside them."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


class Captioned:
    """A captioner of elman, trained by a recipe."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        self.model = with_settings(elman.Captioner(), settings, seed).fit(train, **fields, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """BLEU, the share of captions that are exact, and CIDEr."""
        found = self.model.evaluate(rows)
        return shares(found.figures) | {"signature": found.signature}


class NearestPicture:
    """The caption of the training picture that is nearest, pixel by pixel."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        self.fields = fields
        self.known, self.captions = self._pixels(train), train[fields["text"]]
        self.size = int(self.known.size)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """BLEU, the share of captions that are exact, and CIDEr."""
        from elman import metrics
        from elman.codecs.text import Text, TextSettings

        asked = self._pixels(rows)
        apart = (self.known**2).sum(1)[None] - 2 * asked @ self.known.T  # and what is the same for all
        found = [self.captions[one] for one in apart.argmin(1)]
        truth = rows[self.fields["text"]]
        codec = Text(TextSettings(characters=None, lowercase=False)).fit(self.captions)
        tokens = [[codec.tokens(text) for text in texts] for texts in (found, truth)]
        figures, _ = metrics.of_texts("bleu", found, [[one] for one in truth])
        exact = sum(a == b for a, b in zip(*tokens, strict=True)) / len(truth)
        cider = metrics.cider(tokens[0], [[one] for one in tokens[1]])
        return shares({"exact": exact, **figures, "cider": cider})

    def _pixels(self, rows: Row) -> Any:
        import numpy as np

        pictures = np.stack(rows[self.fields["image"]]).astype(np.float32) / 255
        return pictures.reshape(len(pictures), -1)


class Filmed:
    """A frame forecaster of elman, trained by a recipe; its figure is the squared error of the next frame."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        import elman

        made = with_settings(elman.FrameForecaster(), settings, seed)
        self.model = made.fit(train, video=fields["video"], dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The error, and that of the worst film as a share of what copying costs on it."""
        found = self.model.evaluate(rows)
        worst = max(own / max(copied, 1e-12) for own, copied in found.each)
        return {
            "accuracy": found.mse,
            "share of copying": found.mse / found.copied,
            "share, worst": worst,
        }


class CopiedFrame:
    """The last frame once more."""

    size = 0

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        self.video = fields["video"]

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The squared error of the next frame, over all frames."""
        import numpy as np

        films = [np.asarray(one, np.float64) / 255 for one in rows[self.video]]
        errors = [np.square(np.diff(one, axis=0)).mean((1, 2)) for one in films]
        return {"accuracy": float(np.concatenate(errors).mean()), "share of copying": 1.0}


def with_settings(model: Any, settings: Row, seed: int) -> Any:
    """The model with a recipe's settings laid over its own, and the seed."""
    settings = {**settings, "training": {**settings.get("training", {}), "seed": seed}}
    for name, value in settings.items():
        own = (
            {f"{name}__{field}": one for field, one in value.items()} if isinstance(value, dict) else {}
        )
        model.set_params(**own or {name: value})
    return model


def shares(figures: Row) -> Row:
    """Figures that a table multiplies by 100: BLEU first; CIDEr comes out from 0 to 10."""
    return {
        "accuracy": figures["bleu"] / 100,
        "exact": figures["exact"],
        "cider": figures["cider"] / 100,
    }
