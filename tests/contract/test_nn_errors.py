"""What `elman.nn` refuses: what torch does, as an error of elman's that torch's callers catch as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import elman
from elman.errors import DataError, SettingsError, SettingsTypeError, ShapeError

LAYERS, CELLS = ("RNN", "LSTM", "GRU"), ("RNNCell", "LSTMCell", "GRUCell")


def refused_by_both(action: Any, error: type[Exception], *said: str) -> None:
    """torch raises something, and elman an error of its own kind that has torch's kind, too."""
    with pytest.raises(Exception) as theirs:
        action(nn)
    with pytest.raises(error) as ours:
        action(elman.nn)
    assert isinstance(ours.value, type(theirs.value)), f"torch raises {theirs.value!r}"
    for words in said:
        assert words in str(ours.value)


# --- arguments ---


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"input_size": 0}, SettingsError, "input_size must be at least 1"),
        ({"hidden_size": 0}, SettingsError, "hidden_size must be at least 1"),
        ({"hidden_size": -1}, SettingsError, "hidden_size must be at least 1"),
        ({"num_layers": 0}, SettingsError, "num_layers must be at least 1"),
        ({"dropout": 1.1}, SettingsError, "0 <= dropout <= 1"),
        ({"dropout": -0.1}, SettingsError, "received  -0.1"),
        ({"dropout": True}, SettingsError, "dropout is a chance"),
        ({"dropout": "much"}, SettingsError, "received  much"),
        ({"input_size": "3"}, SettingsTypeError, "received  '3', str"),
        ({"hidden_size": 4.0}, SettingsTypeError, "hidden_size is of another type"),
        ({"bias": 1}, SettingsTypeError, "expected  bool"),
        ({"batch_first": None}, SettingsTypeError, "batch_first is of another type"),
    ],
)
def test_arguments(name: str, arguments: dict[str, Any], error: Any, said: str) -> None:
    given = {"input_size": 3, "hidden_size": 4} | arguments
    refused_by_both(lambda home: getattr(home, name)(**given), error, said)


@pytest.mark.parametrize("name", ["RNN", "GRU"])
def test_projections_are_for_the_lstm(name: str) -> None:
    refused_by_both(lambda home: getattr(home, name)(3, 4, proj_size=2), SettingsError, "only the LSTM")


@pytest.mark.parametrize("proj_size", [-1, 4, 5])
def test_a_projection_is_narrower(proj_size: int) -> None:
    refused_by_both(
        lambda home: home.LSTM(3, 4, proj_size=proj_size), SettingsError, "1 to 3", str(proj_size)
    )


def test_nonlinearities() -> None:
    refused_by_both(lambda home: home.RNN(3, 4, nonlinearity="elu"), SettingsError, "'elu'", "tanh")
    refused_by_both(lambda home: home.RNN(3, 4, 1, "elu"), SettingsError, "'elu'")
    with pytest.raises(SettingsError, match="tanh or relu"):
        elman.nn.RNNCell(3, 4, nonlinearity="elu")


@pytest.mark.parametrize("name", LAYERS)
def test_dropout_without_a_place_warns(name: str, recwarn: pytest.WarningsRecorder) -> None:
    getattr(elman.nn, name)(3, 4, num_layers=2, dropout=0.5)
    getattr(elman.nn, name)(3, 4)
    assert not recwarn.list
    for home in (nn, elman.nn):
        with pytest.warns(UserWarning, match=r"dropout.*num_layers=1") as caught:
            getattr(home, name)(3, 4, dropout=0.5)
        if home is elman.nn:
            assert caught[0].filename == __file__, "the warning does not point to the caller"


# --- inputs and states ---


def states_of(name: str, *shape: int) -> Any:
    return (torch.zeros(shape), torch.zeros(shape)) if "LSTM" in name else torch.zeros(shape)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("shape", "batch_first"),
    [
        ((5, 2, 4), False),  # other features
        ((5, 4), False),
        ((3,), False),  # other dimensions
        ((1, 5, 2, 3), False),
        ((), False),
        ((0, 2, 3), False),  # no time
        ((2, 0, 3), True),
        ((0, 3), False),
        ((0, 3), True),
    ],
)
def test_inputs(name: str, shape: tuple[int, ...], batch_first: bool) -> None:
    layers = {home: getattr(home, name)(3, 4, batch_first=batch_first) for home in (nn, elman.nn)}
    refused_by_both(
        lambda home: layers[home](torch.zeros(shape)), ShapeError, f"received  {shape}", "fix"
    )


@pytest.mark.parametrize("name", LAYERS)
def test_packed_inputs(name: str) -> None:
    wide = pack_sequence([torch.zeros(3, 5), torch.zeros(2, 5)])
    flat = pack_sequence([torch.zeros(3), torch.zeros(2)])
    layers = {home: getattr(home, name)(3, 4) for home in (nn, elman.nn)}
    refused_by_both(lambda home: layers[home](wide), ShapeError, "5 features", "input_size=3")
    refused_by_both(lambda home: layers[home](flat), ShapeError, "(steps, 3)")


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_no_sequence(name: str) -> None:
    layer = getattr(elman.nn, name)(3, 4)
    with pytest.raises(ShapeError, match="5 features"):
        layer(elman.Ragged.of([torch.zeros(2, 5)]))
    for other in ([[1.0, 2.0, 3.0]], np.zeros((2, 3)), None):
        with pytest.raises(DataError, match="a tensor, a PackedSequence or a Ragged"):
            layer(other)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("inputs", "state"),
    [
        ((5, 2, 3), (2, 3, 4)),  # batch
        ((5, 2, 3), (1, 2, 4)),  # layers
        ((5, 2, 3), (2, 2, 5)),  # features
        ((5, 2, 3), (2, 4)),  # dimensions
        ((5, 3), (2, 1, 4)),
        ((5, 3), (1, 4)),
        ((5, 3), (2, 5)),
    ],
)
def test_states(name: str, inputs: tuple[int, ...], state: tuple[int, ...]) -> None:
    layers = {home: getattr(home, name)(3, 4, bidirectional=True) for home in (nn, elman.nn)}
    refused_by_both(
        lambda home: layers[home](torch.zeros(inputs), states_of(name, *state)),
        ShapeError,
        "initial state",
        str(state),
    )


@pytest.mark.parametrize("name", LAYERS)
def test_states_of_packed_and_ragged(name: str) -> None:
    packed = pack_sequence([torch.zeros(3, 3), torch.zeros(2, 3)])
    layers = {home: getattr(home, name)(3, 4) for home in (nn, elman.nn)}
    refused_by_both(lambda home: layers[home](packed, states_of(name, 1, 3, 4)), ShapeError, "(1, 2, 4)")
    with pytest.raises(ShapeError, match=r"\(1, 2, 4\)"):
        layers[elman.nn](elman.Ragged.from_packed(packed), states_of(name, 1, 3, 4))


def test_states_of_a_projection() -> None:
    """The memory is wider than the output; the one in the place of the other is refused."""
    layers = {home: home.LSTM(3, 4, proj_size=2) for home in (nn, elman.nn)}
    h, c = torch.zeros(1, 2, 2), torch.zeros(1, 2, 4)
    for hx in ((c, c), (h, h), (c, h)):
        refused_by_both(
            lambda home, hx=hx: layers[home](torch.zeros(5, 2, 3), hx),
            ShapeError,
            "h (1, 2, 2), c (1, 2, 4)",
        )
    layers[elman.nn](torch.zeros(5, 2, 3), (h, c))


def test_the_number_of_states() -> None:
    xs, one = torch.zeros(5, 2, 3), torch.zeros(1, 2, 4)
    for hx in (one, (one,), (one, one, one), (one, None)):
        with pytest.raises(ShapeError, match="initial state"):
            elman.nn.LSTM(3, 4)(xs, hx)
    for hx in ((one, one), (one,)):
        with pytest.raises(ShapeError, match="received  tuple"):
            elman.nn.GRU(3, 4)(xs, hx)


@pytest.mark.parametrize("name", LAYERS)
def test_formats_of_numbers(name: str) -> None:
    layers = {home: getattr(home, name)(3, 4) for home in (nn, elman.nn)}
    xs = torch.zeros(5, 2, 3)
    refused_by_both(lambda home: layers[home](xs.double()), ShapeError, "torch.float64", ".to(")
    refused_by_both(lambda home: layers[home](xs.long()), ShapeError, "torch.int64")
    state = states_of(name, 1, 2, 4)
    wide = tuple(one.double() for one in state) if isinstance(state, tuple) else state.double()
    refused_by_both(lambda home: layers[home](xs, wide), ShapeError, "initial state h", "torch.float64")


# --- cells ---


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    ("inputs", "state"),
    [
        ((2, 5), (2, 4)),  # features of the input
        ((5,), (4,)),
        ((1, 2, 3), (2, 4)),  # its dimensions
        ((), (4,)),
        ((2, 3), (2, 5)),  # features of the state
        ((2, 3), (3, 4)),  # its batch: nothing is broadcast
        ((2, 3), (1, 4)),
        ((2, 3), (4,)),
        ((3,), (1, 4)),
        ((2, 3), (2, 1, 1, 4)),
    ],
)
def test_cells(name: str, inputs: tuple[int, ...], state: tuple[int, ...]) -> None:
    cells = {home: getattr(home, name)(3, 4) for home in (nn, elman.nn)}
    refused_by_both(
        lambda home: cells[home](torch.zeros(inputs), states_of(name, *state)), ShapeError, "received"
    )


def test_what_is_no_step() -> None:
    with pytest.raises(DataError, match="expected  a tensor"):
        elman.nn.GRUCell(3, 4)([1.0, 2.0, 3.0])  # pyright: ignore
    with pytest.raises(ShapeError, match="received  tuple"):
        elman.nn.GRUCell(3, 4)(torch.zeros(2, 3), (torch.zeros(2, 4),))  # pyright: ignore
    with pytest.raises(ShapeError, match=r"h \(2, 4\), c \(2, 4\)"):
        elman.nn.LSTMCell(3, 4)(torch.zeros(2, 3), torch.zeros(2, 4))  # pyright: ignore
