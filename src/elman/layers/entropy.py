"""A linear layer and the cross entropy of what it gives, in one go: the end of every classifier."""

from __future__ import annotations

from ctypes import byref, c_double
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman import library
from elman.scan import eager


def cross_entropy(head: nn.Module, x: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """The mean cross entropy of the softmax of what a layer makes of each row.

        z = head(x)      loss = -mean Σ_j q[j]·log softmax(z)[j]      q = (1-ε)·[j is the target] + ε/outputs

    Of an `nn.Linear` on a CPU it is one compiled call, which finds the gradients on the way: that of a mean is
    known as soon as the loss is, and z is not kept.

    Args:
        head: from `rows features` to `rows outputs`.
        x: the rows: `rows features`, or `parts rows features/parts`, whose features are joined.
        targets: `rows`, int64: the number of the right output of each.
        smoothing: ε (Szegedy et al. 2016, arXiv 1512.00567).

    Raises:
        IndexError: a target that is no output.

    >>> head, targets = nn.Linear(3, 4), torch.tensor([3, 0])
    >>> x = torch.randn(2, 3)
    >>> loss, again = cross_entropy(head, x, targets), F.cross_entropy(head(x), targets)
    >>> torch.allclose(loss, again)
    True
    """
    if torch.is_grad_enabled() and _compiled(head, x, targets, smoothing):
        return _Compiled.apply(x, head.weight, head.bias, targets, smoothing)
    return F.cross_entropy(head(_joined(x)), targets, label_smoothing=smoothing)


def _joined(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1) if x.dim() == 3 else x


def _compiled(head: nn.Module, x: Tensor, targets: Tensor, smoothing: float) -> bool:
    return (
        x.dim() in (2, 3)
        and x.numel() > 0
        and x.dtype == torch.float32
        and x.is_cpu
        and x.shape[-2] == targets.numel()
        and fits(head, x.shape[-1] * (x.shape[0] if x.dim() == 3 else 1), targets, smoothing)
        and library.unwatched([x])
    )


def fits(head: nn.Module, features: int, targets: Tensor, smoothing: float) -> bool:
    """Whether a compiled call knows such a layer of so many features, and such targets."""
    if type(head) is not nn.Linear or hooked(head):
        return False
    weight, bias = head.weight, head.bias
    return (
        head.in_features == features
        and weight.dtype == torch.float32
        and targets.dtype == torch.int64
        and targets.dim() == 1
        and targets.numel() > 0
        and weight.is_cpu
        and targets.is_cpu
        and 0 <= smoothing <= 1
        and _within(targets, len(weight))
        and library.available()
        and not torch.is_autocast_enabled("cpu")
        and library.unwatched([weight, targets] if bias is None else [weight, targets, bias])
    )


def _within(targets: Tensor, outputs: int) -> bool:
    """Whether each is an output: torch refuses those beyond, and passes over those of -100."""
    least, most = targets.detach().aminmax()
    return int(least) >= 0 and int(most) < outputs


def hooked(module: nn.Module) -> bool:
    """Whether somebody wants to see what goes through a module."""
    hooks = module._forward_hooks, module._forward_pre_hooks, module._backward_hooks
    return any((*hooks, module._backward_pre_hooks))


def solved(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    smoothing: float,
    *,
    need_x: bool = True,
) -> tuple[Tensor, list[Tensor | None]]:
    """The loss, and the gradients of x (or None), the weight and the bias, of what is known to fit."""
    dense: list[Any] = [None if one is None else one.contiguous() for one in (x, weight, bias, targets)]
    grads = [None if one is None else torch.empty_like(one) for one in dense[:3]]
    if not need_x:
        grads[0] = None
    call, loss = (
        library.CrossEntropy(
            torch.get_num_threads(),
            len(targets),
            weight.shape[1],
            len(weight),
            x.shape[0] if x.dim() == 3 else 1,
            *(None if one is None else one.data_ptr() for one in dense),
            smoothing,
            *(None if one is None else one.data_ptr() for one in grads),
        ),
        c_double(),
    )
    library.run("elman_mean_cross_entropy", call, byref(loss))
    return torch.tensor(loss.value, dtype=torch.float32), grads


class _Compiled(torch.autograd.Function):
    """What `apply` takes: x, weight, bias or None, targets, smoothing."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        *tensors, smoothing = given
        x, weight, bias, targets = tensors
        found, ctx.grads = solved(x, weight, bias, targets, smoothing, need_x=ctx.needs_input_grad[0])
        ctx.save_for_backward(*tensors)
        ctx.smoothing = smoothing
        return found

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        (factor,), saved = outer, ctx.saved_tensors  # refused where they were changed or given up
        if torch.is_grad_enabled():  # it is to be differentiated again
            x, weight, bias, targets = saved
            return *_again(factor, x, weight, bias, targets, ctx.smoothing), None, None
        return *taken(ctx, factor), None, None


def taken(ctx: Any, factor: Tensor) -> list[Tensor | None]:
    """The gradients that a node has found beforehand, `ctx.grads`, times that of its loss."""
    grads, scale = ctx.grads, float(factor)
    if eager.last():  # what nobody else has is taken without a copy
        ctx.grads = None
    return grads if scale == 1.0 else [None if one is None else one * scale for one in grads]


def _again(
    factor: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The gradients in tensors, each of them differentiable."""
    rows = _joined(x)
    chances = F.linear(rows, weight, bias).softmax(-1)
    wanted = F.one_hot(targets, len(weight)).to(x.dtype) * (1 - smoothing) + smoothing / len(weight)
    grad = (chances - wanted) * (factor / len(rows))
    of_rows = grad @ weight
    if x.dim() == 3:
        of_rows = of_rows.unflatten(1, (len(x), -1)).transpose(0, 1)
    return of_rows, grad.T @ rows, None if bias is None else grad.sum(0)
