"""A linear layer and its cross entropy in one go, held to torch's own two."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import library
from elman.layers import entropy
from elman.layers.entropy import cross_entropy

SIZES = [(1, 1, 1), (1, 3, 2), (5, 7, 1), (64, 256, 150), (63, 40, 17), (700, 33, 1001), (600, 8, 3)]


def _case(
    rows: int, features: int, outputs: int, *, bias: bool = True
) -> tuple[nn.Linear, Tensor, Tensor]:
    torch.manual_seed(rows)
    return (
        nn.Linear(features, outputs, bias=bias),
        torch.randn(rows, features),
        torch.randint(outputs, (rows,)),
    )


def _found(head: nn.Linear, x: Tensor, targets: Tensor, smoothing: float, *, ours: bool) -> list[Tensor]:
    """The loss, and the gradients of x and of the layer."""
    x = x.detach().requires_grad_()
    rows = x.transpose(0, 1).flatten(1) if x.dim() == 3 else x
    if ours:
        loss = cross_entropy(head, x, targets, smoothing)
    else:
        loss = F.cross_entropy(head(rows), targets, label_smoothing=smoothing)
    return [loss.detach(), *torch.autograd.grad(loss * 0.5, [x, *head.parameters()])]


def _compiled(head: nn.Module, *given: Tensor) -> bool:
    return entropy._compiled(head, *given, 0.0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("bias", [True, False])
def test_loss_and_gradients_are_those_of_torch(
    size: tuple[int, int, int], smoothing: float, *, bias: bool
) -> None:
    head, x, targets = _case(*size, bias=bias)
    ours = _found(head, x, targets, smoothing, ours=True)
    theirs = _found(head, x, targets, smoothing, ours=False)
    exact = _found(head.double(), x.double(), targets, smoothing, ours=False)
    for one, other, truth in zip(ours, theirs, exact, strict=True):
        scale = float(truth.abs().max()) + 1e-6
        error, allowed = ((found.double() - truth).abs().max() / scale for found in (one, other))
        assert error <= max(3 * allowed, 1e-6)


def test_features_may_come_in_parts() -> None:
    head, x, targets = _case(30, 24, 9)
    parts = x.unflatten(1, (3, 8)).transpose(0, 1).contiguous()
    for one, other in zip(
        _found(head, parts, targets, 0.1, ours=True),
        _found(head, parts, targets, 0.1, ours=False),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_threads_change_no_bit() -> None:
    head, x, targets = _case(300, 70, 90)
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(_found(head, x, targets, 0.1, ours=True))
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


def test_large_logits_are_no_trouble() -> None:
    head, x, targets = _case(20, 6, 5)
    ours = _found(head, 1e4 * x, targets, 0.0, ours=True)
    theirs = _found(head, 1e4 * x, targets, 0.0, ours=False)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert torch.isnan(cross_entropy(head, x * torch.nan, targets))


def test_a_second_pass_over_the_graph_gives_the_same() -> None:
    head, x, targets = _case(9, 4, 3)
    loss = cross_entropy(head, x, targets)
    loss.backward(retain_graph=True)
    first = head.weight.grad.clone()
    loss.backward()
    torch.testing.assert_close(head.weight.grad, 2 * first)
    with pytest.raises(RuntimeError, match="second time"):  # the graph was given up, as torch has it
        loss.backward()


def test_the_gradient_has_a_gradient() -> None:
    head, x, targets = _case(9, 4, 3)
    for parts in (x, x.unflatten(1, (2, 2)).transpose(0, 1)):
        second = []
        for ours in (True, False):
            one = parts.clone().requires_grad_()
            rows = one.transpose(0, 1).flatten(1) if one.dim() == 3 else one
            loss = (
                cross_entropy(head, one, targets, 0.1)
                if ours
                else F.cross_entropy(head(rows), targets, label_smoothing=0.1)
            )
            first = torch.autograd.grad(loss, [one, head.weight], create_graph=True)
            second.append(
                torch.autograd.grad(
                    sum(each.square().sum() for each in first), [one, head.weight, head.bias]
                )
            )
        for one, other in zip(*second, strict=True):
            torch.testing.assert_close(one, other)


def test_what_needs_no_gradient_gets_none() -> None:
    head, x, targets = _case(9, 4, 3)
    head.weight.requires_grad_(False)
    cross_entropy(head, x, targets).backward()
    assert head.weight.grad is None
    torch.testing.assert_close(
        head.bias.grad, _found(head.requires_grad_(), x, targets, 0.0, ours=False)[3] * 2
    )
    with torch.no_grad():
        assert not cross_entropy(head, x, targets).requires_grad


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_target_that_is_no_output_is_refused(wrong: int) -> None:
    head, x, targets = _case(9, 4, 3)
    targets[4] = wrong
    with pytest.raises(IndexError):
        cross_entropy(head, x, targets)


def test_what_is_no_plain_layer_is_left_to_torch() -> None:
    head, x, targets = _case(9, 4, 3)
    wanted = F.cross_entropy(head(x), targets)
    assert _compiled(head, x, targets) == library.available()
    seen = []
    head.register_forward_hook(lambda *_: seen.append(1))
    assert not _compiled(head, x, targets)
    assert torch.equal(cross_entropy(head, x, targets), wanted)
    assert seen
    twofold = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    torch.testing.assert_close(cross_entropy(twofold, x, targets), F.cross_entropy(twofold(x), targets))
    plain = nn.Linear(4, 3).double()
    assert not _compiled(plain, x.double(), targets)
    assert not _compiled(nn.Linear(4, 3), x[:, None], targets)
    ignored = targets.index_fill(0, torch.tensor([2]), -100)
    torch.testing.assert_close(
        cross_entropy(plain, x.double(), ignored), F.cross_entropy(plain(x.double()), ignored)
    )
