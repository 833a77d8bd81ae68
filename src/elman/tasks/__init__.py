"""The nouns that users meet: estimators that are fitted, asked, looked into and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elman import registry
from elman.errors import ElmanError, StorageError


def load(folder: str | Path) -> Any:
    """The fitted estimator that was saved in a folder, of whichever task it was.

    Raises:
        StorageError: not a model, a newer format, or a file that is truncated or was changed.

    >>> import tempfile
    >>> from elman.tasks.classifier import Classifier
    >>> from elman.training import Training
    >>> folder = tempfile.mkdtemp()
    >>> fitted = Classifier(hidden_size=4, training=Training(epochs=1)).fit(["a", "b"] * 9, [0, 1] * 9)
    >>> _ = fitted.save(folder)
    >>> load(folder).classes_.tolist()
    [0, 1]
    """
    from elman import storage

    saved = storage.load(folder)
    try:
        return registry.get("tasks", str(saved.config.get("task"))).restore(saved)
    except ElmanError:
        raise
    except Exception as cause:  # whatever a changed config makes of a constructor or a tokenizer
        raise StorageError(
            f"The files of {folder} do not fit together.",
            received=f"{type(cause).__name__}: {cause}".split("\n")[0],
            fix="copy the whole folder again, or load it with the version of elman that saved it",
        ) from cause
