"""What a writer says of its tokens against torch's softmax and its gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.layers.lexicon import likelihood

SHAPES = [(1, 1), (1, 2), (0, 5), (50, 1), (7, 300)]


def expected(logits: Tensor, wanted: Tensor) -> Tensor:
    logs = F.log_softmax(logits, -1)
    return torch.stack([-F.nll_loss(logs, wanted, reduction="none"), logs.mean(-1)], -1)


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_torch(shape: tuple[int, int], kind: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = (4 * torch.randn(shape)).to(kind).requires_grad_()
    wanted, weights = torch.randint(shape[1], shape[:1]), torch.randn(shape[0], 2).to(kind)
    results = []
    for function in (likelihood, expected):
        found = function(logits, wanted)
        results.append((found, *torch.autograd.grad((found * weights).sum(), logits)))
    bound = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 5e-2}[kind]
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == kind
        torch.testing.assert_close(ours, theirs, atol=bound, rtol=bound)


def test_an_impossible_token_leaves_no_gap() -> None:
    """A logit so low that its chance is nothing has a gradient still, and none is not a number."""
    logits = torch.tensor([[0.0, -1e4, 200.0]], requires_grad=True)
    found = likelihood(logits, torch.tensor([1]))
    (grad,) = torch.autograd.grad(found[0, 0], logits)
    torch.testing.assert_close(found[0, 0], torch.tensor(-1e4 - 200))
    torch.testing.assert_close(grad, torch.tensor([[0.0, 1.0, -1.0]]))


def test_the_gradient_of_the_gradient_is_refused_and_not_wrong() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="no gradient of its gradient"):
        torch.autograd.grad(likelihood(logits, torch.tensor([0, 1])).sum(), logits, create_graph=True)
