"""`elman.nn.accelerate`: the same model, the same parameters, and elman inside."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

import elman
from elman.errors import SettingsError

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")  # torch, of its own speed


class Model(nn.Module):
    """Every kind of recurrent module, at the top, deeper, and one in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.gru = nn.GRU(6, 4, batch_first=True, bidirectional=True)
        self.stack = nn.ModuleList([nn.LSTM(8, 8, 2, proj_size=4, dropout=0.3), nn.RNN(4, 4)])
        self.cells = nn.ModuleDict(
            {"rnn": nn.RNNCell(4, 4, nonlinearity="relu"), "lstm": nn.LSTMCell(4, 4, bias=False)}
        )
        self.last = nn.Sequential(nn.GRUCell(4, 4))
        self.shared = self.gru
        self.others = [self.gru]

    def forward(self, tokens: Tensor) -> Tensor:
        xs = self.gru(self.embedding(tokens))[0].transpose(0, 1)
        for layer in self.stack:
            xs = layer(xs)[0]
        h = self.cells["rnn"](xs[-1])
        return self.last(self.cells["lstm"](h)[0])


TOKENS = torch.arange(12).view(3, 4)
KINDS = (nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell, nn.GRUCell)


def test_the_model_answers_as_before(caplog: pytest.LogCaptureFixture) -> None:
    model = Model().eval()
    before, names = model(TOKENS), list(model.state_dict())
    generator = torch.get_rng_state()
    with caplog.at_level(logging.INFO, "elman.nn"):
        assert elman.nn.accelerate(model) is model
    assert torch.equal(generator, torch.get_rng_state())
    torch.testing.assert_close(model(TOKENS), before, rtol=1e-5, atol=1e-6)
    assert list(model.state_dict()) == names
    assert not [one for one in model.modules() if isinstance(one, KINDS)]
    assert model.shared is model.gru is model.others[0]
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "6 recurrent modules run on elman, gru, stack.0, stack.1, cells.rnn, cells.lstm, last.0"
    )
    Model().load_state_dict(model.state_dict())


def test_training_goes_on() -> None:
    """Two models with an optimizer in the middle of its work; one is turned."""
    torch.manual_seed(1)
    model = Model().eval()  # without dropout
    twin = copy.deepcopy(model)
    pairs = [(one, torch.optim.Adam(one.parameters(), 0.01)) for one in (model, twin)]

    def train() -> None:
        for network, optimizer in pairs:
            for _ in range(3):
                optimizer.zero_grad()
                network(TOKENS).square().sum().backward()
                optimizer.step()

    train()
    before = list(model.parameters())
    gradients = [one.grad for one in before]
    elman.nn.accelerate(model)
    after = list(model.parameters())
    assert len(before) == len(after)
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert all(one.grad is gradient for one, gradient in zip(after, gradients, strict=True))
    train()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_mode_format_and_settings_are_kept() -> None:
    model = Model().double()
    model.stack.eval()
    model.stack[0].dropout = 0.7
    model.gru.weight_hh_l0.requires_grad_(False)
    model.gru.note = "mine"
    elman.nn.accelerate(model)
    assert not model.stack[0].training
    assert model.gru.training
    assert model.stack[0].dropout == 0.7
    assert not model.gru.weight_hh_l0.requires_grad
    assert model.gru.note == "mine"
    assert model(TOKENS).dtype == torch.float64
    assert repr(model.gru) == "GRU(6, 4, batch_first=True, bidirectional=True)"
    assert repr(model.cells["rnn"]) == "RNNCell(4, 4, nonlinearity=relu)"
    assert copy.deepcopy(model)(TOKENS).shape == (3, 4)


def test_hooks_are_kept_and_can_be_removed() -> None:
    model, seen = Model(), []
    handle = model.gru.register_forward_hook(lambda module, *_: seen.append(type(module)))
    early = model.stack[1].register_forward_pre_hook(lambda *_: seen.append("before"))
    elman.nn.accelerate(model)
    model(TOKENS)
    assert seen == [elman.nn.GRU, "before"]
    handle.remove()
    early.remove()
    model(TOKENS)
    assert len(seen) == 2


def test_weights_that_a_hook_computes() -> None:
    """Pruning holds the real parameter under another name; that goes on, too."""
    layer, xs = nn.GRU(3, 4), torch.randn(5, 2, 3)
    prune.l1_unstructured(layer, "weight_hh_l0", amount=0.5)
    before = layer(xs)[0]
    elman.nn.accelerate(layer)
    assert "weight_hh_l0_orig" in dict(layer.named_parameters())
    torch.testing.assert_close(layer(xs)[0], before, rtol=1e-5, atol=1e-6)


def test_the_model_itself() -> None:
    layer: Any = nn.LSTM(3, 4, bidirectional=True)
    xs = torch.randn(5, 2, 3)
    before = layer(xs)[0]
    assert elman.nn.accelerate(layer) is layer
    assert type(layer) is elman.nn.LSTM
    torch.testing.assert_close(layer(xs)[0], before, rtol=1e-5, atol=1e-6)
    assert layer(elman.Ragged.of([xs[:, 0], xs[:2, 1]]))[0].lengths.tolist() == [5, 2]


class Own(nn.LSTM):
    """What a user might have made."""

    def forward(self, input, hx=None):
        return super().forward(input * 2, hx)


def test_what_is_not_torchs_own_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    normed = parametrizations.weight_norm(nn.GRU(3, 3), "weight_hh_l0")
    patched = nn.GRU(3, 3)
    patched.forward = lambda xs: (xs + 1, None)  # pyright: ignore
    model = nn.ModuleList([Own(3, 3), normed, patched, nn.GRU(3, 3)])
    xs = torch.randn(5, 2, 3)
    before = [module(xs)[0] for module in model]
    elman.nn.accelerate(model)
    for module, outputs in zip(model, before, strict=True):
        torch.testing.assert_close(module(xs)[0], outputs, rtol=1e-5, atol=1e-6)
    assert type(model[0]) is Own
    assert isinstance(normed, nn.GRU)
    assert type(patched) is nn.GRU
    assert type(model[3]) is elman.nn.GRU
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "1 recurrent modules run on elman, 3; 0 was left alone: Own is a subclass; "
        "1 was left alone: ParametrizedGRU is a subclass; 2 was left alone: its forward is its own"
    )


def test_nothing_to_do_is_said(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.GRU(2, 2))
    elman.nn.accelerate(model)
    caplog.clear()
    elman.nn.accelerate(model)
    assert [(one.levelno, one.getMessage()) for one in caplog.records] == [
        (logging.WARNING, "0 recurrent modules run on elman")
    ]
    assert type(model[1]) is elman.nn.GRU


def test_all_or_nothing() -> None:
    odd = nn.RNNCell(3, 3, nonlinearity="elu")  # torch refuses it only when it is used
    model = nn.ModuleList([nn.GRU(3, 3), odd])
    with pytest.raises(SettingsError, match="'elu'"):
        elman.nn.accelerate(model)
    assert type(model[0]) is nn.GRU
