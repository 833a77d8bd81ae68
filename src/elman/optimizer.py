"""AdamW in few passes over the weights, where a large table's rows move only when they are read."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from elman import rows, weights
from elman.layers.embedding import Bag, Table
from elman.library import available

LARGE = 500_000
"""Numbers in a table from which moving single rows was measured to be quicker than moving all of them."""

UNCOMPILED = 8
"""How many times as large a table has to be where that is not compiled."""


class LazyAdamW(torch.optim.AdamW):
    """AdamW over dense weights, and over tables row by row: the weights of AdamW at the cost of what is read.

        g ← g·min(1, max_norm / |all g|)
        m ← β1·m + (1-β1)·g        v ← β2·v + (1-β2)·g²        w ← (1-η·λ)·w - a·m / (√v + ε)
        a = η·√(1-β2^t) / (1-β1^t)

    A batch reads a few hundred rows of a table; for all the others g = 0, and what k such steps do is known
    beforehand: m shrinks by β1^k, v by β2^k, w decays, and moves by

        m/√v · Σ_j a_j·(β1/√β2)^j        j = 1 … k

    (each part decayed by the steps after it), where the sum depends on nothing but the step at which the row
    was last moved. So a row is brought up to date just before it is read, and all of them by `flush`. What is
    left out is the growing weight of ε beside a shrinking v: less than rounding, but where a gradient is as
    small as ε. Dense weights on a CPU are moved together, by a compiled call a group; elsewhere by torch's.

    Source: Kingma and Ba 2014, arXiv 1412.6980; Loshchilov and Hutter 2017, arXiv 1711.05101.

    Args:
        model: its parameters are moved; biases are not decayed.
        lr: the rate η; it may change from step to step.
        weight_decay: λ.
        max_norm: gradients are scaled by one factor, so that the norm of all together is at most this; None
            leaves them as they are.
        lazy: whether tables (`Table` and `Bag` of `elman.layers.embedding`) of half a million numbers and
            more are moved by row.

    >>> table = Table(50_000, 10)
    >>> optimizer = LazyAdamW(table, lr=0.1, max_norm=1.0)
    >>> table(torch.tensor([3])).sum().backward()
    >>> before = table.weight.detach().clone()
    >>> optimizer.step()
    >>> (table.weight != before).any(1).nonzero().flatten().tolist()
    [3]
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float,
        weight_decay: float = 0.01,
        max_norm: float | None = None,
        lazy: bool = True,
    ) -> None:
        self.max_norm = max_norm
        large = LARGE if available() else LARGE * UNCOMPILED
        found = {
            one.weight: one
            for one in model.modules()
            if lazy and isinstance(one, Table | Bag) and one.weight.numel() >= large
        }
        self.tables = list(found.values())
        rest = [one for one in model.parameters() if one not in found]
        groups = [
            {"params": [one for one in rest if one.dim() > 1], "weight_decay": weight_decay},
            {"params": [one for one in rest if one.dim() <= 1], "weight_decay": 0.0},
            {"params": list(found), "weight_decay": weight_decay},
        ]
        super().__init__([one for one in groups if one["params"]], lr=lr, fused=True)
        self._hooks = []
        for one in self.tables:
            one.sparse = True
            if isinstance(one, Table):
                one.before_reading = partial(self._before, one)
            else:
                self._hooks.append(one.register_forward_pre_hook(self._hook))

    def close(self) -> None:
        """Bring every row up to date and leave the model as it was found."""
        self.flush()
        for hook in self._hooks:
            hook.remove()
        for table in self.tables:
            table.sparse = False
            if isinstance(table, Table):
                del table.before_reading

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's signature
        """Forget all gradients; torch's own does the same with more ado."""
        if not set_to_none:
            super().zero_grad(set_to_none)
            return
        for group in self.param_groups:
            for one in group["params"]:
                one.grad = None

    def step(
        self, closure: Callable[[], float] | None = None, gradients: weights.Gradients | None = None
    ) -> Any:
        """One step of every weight that has a gradient; gives back what `closure` gives, if there is one.

        With `gradients` these are all that there are, whatever stands in `grad`.
        """
        hooks = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks, *_HOOKS_OF_ALL
        return (_TOLD if any(hooks) else LazyAdamW._step)(self, closure, gradients)

    # torch would wrap it to call hooks and to tell a profiler, which costs a tenth of what is done here.
    step.hooked = True  # pyright: ignore[reportFunctionMemberAccess]

    @torch.no_grad()
    def _step(self, closure: Callable[[], float] | None, found: weights.Gradients | None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if found is not None and not weights.compiled([found.block, *found.weights]):
            self.zero_grad()
            for one, grad in zip(found.weights, found.each(), strict=True):
                one.grad = grad
            found = None
        read = self._read() if found is None else found.read()
        places = self._places(read) if found is None else found.places()
        step = None
        if places is not None:
            step = weights.Step(self._moments(places), [sums for _, _, sums in read])
        dense = [] if step is not None else self._dense()
        scale = 1.0
        if self.max_norm is not None:
            norm = _norm([*dense, *(sums for _, _, sums in read)]) if step is None else step.norm()
            scale = min(1.0, self.max_norm / (norm + 1e-6))
        for table in read:
            self._move(*table, scale)
        if step is not None:
            step.take(scale)
            return loss
        if scale != 1.0 and dense:
            torch._foreach_mul_(dense, scale)  # pyright: ignore[reportPrivateImportUsage]
        inspect.unwrap(torch.optim.AdamW.step)(self)  # without the hooks, which were called
        return loss

    @torch.no_grad()
    def flush(self) -> None:
        """Bring every row of every table up to date."""
        for table in self.tables:
            self._catch_up(table.weight, None)

    # --- all weights ---

    def _weights(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Each of them, with the settings of its group."""
        return ((one, group) for group in self.param_groups for one in group["params"])

    def _dense(self) -> list[Any]:
        """The gradients."""
        return [one.grad for one, _ in self._weights() if one.grad is not None]

    def _places(self, read: list[weights.OfRows]) -> dict[Tensor, int] | None:
        """Where the gradient of each weight begins; None where one cannot be compiled."""
        found = {one: one.grad for one, _ in self._weights() if one.grad is not None}
        if not weights.compiled([*found, *found.values(), *(sums for _, _, sums in read)]):
            return None
        return {one: grad.data_ptr() for one, grad in found.items()}

    def _moments(self, places: dict[Tensor, int]) -> list[weights.Moment]:
        """The weights whose gradients have a place, with their states, which are zeros at first."""
        found = []
        for one, group in self._weights():
            if (place := places.get(one)) is None:
                continue
            if not (state := self.state[one]):
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(one), torch.zeros_like(one)
            found.append((one, place, state, group))
        return found

    # --- a table ---

    def _before(self, table: Table | Bag, numbers: Tensor) -> None:
        self._catch_up(table.weight, numbers.flatten().long())

    def _hook(self, bag: Bag, inputs: tuple[Tensor, ...]) -> None:
        if bag.training:
            self._before(bag, inputs[0])

    def _group_of(self, weight: Tensor) -> dict[str, Any]:
        return next(one for one in self.param_groups if any(weight is each for each in one["params"]))

    def _read(self) -> list[weights.OfRows]:
        """Of each table that was read, its gradient, which is taken away: of each row once."""
        found = []
        for weight in (one.weight for one in self.tables if one.weight.grad is not None):
            grad, weight.grad = cast(Tensor, weight.grad), None
            read, grads = grad._indices()[0], grad._values()
            if not grad.is_coalesced():
                read, grads = rows.summed(read, grads, len(weight))
            found.append((weight, read, grads))
        return found

    def _catch_up(self, weight: Tensor, read: Tensor | None) -> None:
        """Do to rows, all if None, what the steps since they were moved would have done without a gradient."""
        state = self.state.get(weight)
        if not state:
            return
        group = self._group_of(weight)
        rows.catch_up(rows.Moments(weight, **state), read, group["betas"], group["eps"])

    def _move(self, weight: Tensor, read: Tensor, grads: Tensor, scale: float) -> None:
        """One step of the rows that have a gradient, which are up to date because they were read."""
        state, group = self.state[weight], self._group_of(weight)
        if not state:
            zeros = torch.zeros_like(weight)
            state |= {"step": torch.zeros(()), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
            state["moved"] = weight.new_zeros(len(weight))
            state |= {"reach": weight.new_zeros(1024), "decay": weight.new_zeros(1024)}
        state["step"] += 1
        step = int(state["step"])
        if step >= len(state["reach"]):
            for name in ("reach", "decay"):
                state[name] = torch.cat([state[name], torch.zeros_like(state[name])])
        taken = rows.Step(group["betas"], *_sizes(group, step), scale)
        rows.move(rows.Moments(weight, **state), read, grads, taken)


def _norm(grads: Sequence[Any]) -> float:
    """The norm of all of them together."""
    return float(nn.utils.get_total_norm(grads)) if grads else 0.0


_TOLD = torch.optim.Optimizer.profile_hook_step(LazyAdamW._step)  # with the hooks that were asked for
_HOOKS_OF_ALL = _global_optimizer_pre_hooks, _global_optimizer_post_hooks


def _sizes(group: dict[str, Any], step: float) -> tuple[float, float, float]:
    """Of a step: what a weight keeps, 1 - η·λ, and a and ε, both corrected for the bias."""
    (beta1, beta2), rate = group["betas"], float(group["lr"])
    bias = math.sqrt(1 - beta2**step)
    return 1 - rate * group["weight_decay"], rate * bias / (1 - beta1**step), group["eps"] * bias
