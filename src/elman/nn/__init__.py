"""torch's recurrent modules, drawn anew over elman's layers: a drop-in, with unequal lengths.

`RNN`, `LSTM`, `GRU`, `RNNCell`, `LSTMCell` and `GRUCell` have torch's constructors, parameters, shapes
and returns, so that an import is all that changes. `accelerate` puts them into a model that is there
already.
"""

from __future__ import annotations

from elman.nn.accelerating import accelerate
from elman.nn.sequences import GRU, LSTM, RNN
from elman.nn.steps import GRUCell, LSTMCell, RNNCell

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "accelerate"]
