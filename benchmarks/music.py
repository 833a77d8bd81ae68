"""Music by a recipe, and what simple methods make of it: keys by themselves, and the commonest chord."""

from __future__ import annotations

from collections import Counter
from typing import Any

Row = dict[str, Any]


class Musician:
    """A composer of elman, trained by a recipe; its figure is nats per frame, first frames left out."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        from accuracy import with_settings

        import elman

        self.model = with_settings(elman.Composer(), settings, seed).fit(train, **fields, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Nats per frame, and those with the first frame of each piece."""
        found = self.model.evaluate(rows)
        return {"accuracy": found.nats_per_frame, "nats with first": found.nats_with_first}


class Harmony:
    """A harmonizer of elman, trained by a recipe; its figure is the share of right notes of all voices."""

    def __init__(self, settings: Row, seed: int, train: Row, dev: Row, fields: Row) -> None:
        from accuracy import with_settings

        import elman

        self.model = with_settings(elman.Harmonizer(), settings, seed).fit(train, **fields, dev=dev)
        self.size = sum(one.numel() for one in self.model.network_.parameters())

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The mean of the voices' shares, each of them, and nats per frame."""
        found = self.model.evaluate(rows)
        voices = {f"voice {name}": share for name, share in found.voices.items()}
        mean = sum(voices.values()) / max(len(voices), 1)
        return {"accuracy": mean, **voices, "nats": found.nats_per_frame}


class KeyMarkov:
    """Each key by whether it sounded in the frame before: add-one smoothing, no key knows another."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        import numpy as np

        self.column = fields["piece"]
        counts = np.ones((2, 2, 88))
        for roll in self._rolls(train):
            for before in (0, 1):
                for now in (0, 1):
                    counts[before, now] += ((roll[:-1] == before) & (roll[1:] == now)).sum(0)
        self.chances = counts[:, 1] / counts.sum(1)
        self.size = int(self.chances.size)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """Nats per frame, the first of each piece left out."""
        import numpy as np

        nats = []
        for roll in self._rolls(rows):
            p = self._chance(roll)
            nats += (-np.log(np.where(roll[1:] == 1, p, 1 - p)).sum(1)).tolist()
        return {"accuracy": sum(nats) / len(nats)}

    def _chance(self, roll: Any) -> Any:
        import numpy as np

        return np.where(roll[:-1] == 1, self.chances[1], self.chances[0])

    def _rolls(self, rows: Row) -> list[Any]:
        from elman.music.rolls import roll_of

        return [roll_of(piece) for piece in rows[self.column]]


class KeyUnigram(KeyMarkov):
    """Each key by how often it sounds, add-one smoothing."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        import numpy as np

        self.column = fields["piece"]
        frames = np.concatenate(self._rolls(train))
        chance = (frames.sum(0) + 1) / (len(frames) + 2)
        self.chances, self.size = np.stack([chance, chance]), 88


class CommonChord:
    """Below each top note the chord that is commonest below it in training; the nearest known top note else."""

    def __init__(self, train: Row, dev: Row, fields: Row) -> None:
        self.column = fields["piece"]
        counts: dict[int, Counter[tuple[int, ...]]] = {}
        for frame in (sorted(one) for piece in train[self.column] for one in piece if one):
            counts.setdefault(frame[-1], Counter())[tuple(frame[:-1])] += 1
        self.chords = {top: found.most_common(1)[0][0] for top, found in counts.items()}
        self.size = len(self.chords)

    def report(self, rows: Row, out_of_scope: list[str] | None = None) -> Row:
        """The share of right notes: the mean of the voices, and each of them."""
        from elman.music.answers import voice_accuracy
        from elman.music.rolls import roll_of

        frames = [sorted(one) for piece in rows[self.column] for one in piece]
        written = [self._chord(frame[-1]) if frame else [] for frame in frames]
        found = voice_accuracy(roll_of(written), roll_of([frame[:-1] for frame in frames]))
        voices = {f"voice {name}": share for name, share in found.items()}
        return {"accuracy": sum(voices.values()) / len(voices), **voices}

    def _chord(self, top: int) -> list[int]:
        near = min(self.chords, key=lambda one: abs(one - top))
        return [one + top - near for one in self.chords[near]]
