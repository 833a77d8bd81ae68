"""The contestant of `elman bench train` that is written with Keras 3, which has one backend in a process.

Rows are padded to a multiple of 8 steps and of the full batch, so that few shapes have to be compiled;
a row of nothing but padding has the weight 0 in the loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.apps.bench.relay import Stint

STEPS = 8


def train(
    data: dict[str, np.ndarray], epochs: list[list[np.ndarray]], settings: dict[str, Any], stint: Stint
) -> list[tuple[float, float]]:
    """Train, and measure after every epoch."""
    import keras  # pyright: ignore[reportMissingImports]

    cell = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    model = keras.Sequential(
        [
            keras.layers.Embedding(settings["vocabulary"], settings["features"], mask_zero=True),
            keras.layers.Bidirectional(cell[settings["cell"]](settings["hidden"])),
            keras.layers.Dense(settings["labels"]),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(settings["rate"], global_clipnorm=settings["clip"]),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    class Turn(keras.utils.PyDataset):
        """The batches of one epoch, in their order."""

        def __init__(self, chosen: list[np.ndarray]) -> None:
            super().__init__()
            self.chosen = chosen

        def __len__(self) -> int:
            return len(self.chosen)

        def __getitem__(self, index: int) -> Any:
            return _form(data, "train", self.chosen[index], settings["batch"])

    held = np.argsort(-data["dev.lengths"], kind="stable")
    groups = np.array_split(held, -(-len(held) // 256))
    curve, began = [], stint.seconds
    for epoch in epochs:
        model.fit(Turn(epoch), epochs=1, shuffle=False, verbose=0)  # pyright: ignore[reportArgumentType]
        right = 0
        for group in groups:
            x, y, _ = _form(data, "dev", group, 256)
            answers = np.asarray(model.predict_on_batch(x))[: len(group)]
            right += int((answers.argmax(-1) == y[: len(group)]).sum())
        curve.append((stint.seconds - began, right / len(held)))
        stint.rest()
    return curve


def _form(
    data: Any, part: str, chosen: np.ndarray, batch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, labels and weights of a batch, filled up to a shape that comes often."""
    longest = int(data[f"{part}.lengths"][chosen].max())
    width, more = -(-longest // STEPS) * STEPS, batch - len(chosen)
    x = data[f"{part}.x"][chosen]
    x = np.pad(x[:, :width], ((0, more), (0, max(0, width - x.shape[1]))))
    weights = np.concatenate([np.ones(len(chosen)), np.zeros(more)]).astype(np.float32)
    return x, np.pad(data[f"{part}.y"][chosen], (0, more)), weights
