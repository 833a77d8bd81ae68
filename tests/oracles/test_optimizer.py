"""Weights that are moved together, and rows only when they are read, end where torch's AdamW moves them."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

import elman
from elman import optimizer, rows, weights
from elman.errors import BackendError
from elman.layers.embedding import Bag, Table
from elman.library import available
from elman.optimizer import LazyAdamW
from elman.training import Training

WORDS, SIZE = 60, 5
DECAY = 0.1


class Reader(nn.Module):
    """A table, sums of another's rows, and an output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = Table(WORDS, SIZE), nn.Linear(SIZE, 3)
        self.pairs = Bag(WORDS, SIZE, mode="mean")

    def forward(self, tokens: Tensor) -> Tensor:
        pairs = self.pairs((tokens[:, 1:] + 7 * tokens[:, :-1]) % WORDS)
        return self.head(torch.tanh(self.words(tokens)).mean(1) + pairs)


WAYS = ["compiled", "reference"] if available() else ["reference"]


@pytest.fixture(autouse=True, params=WAYS)
def _every_table_is_large(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(optimizer, "LARGE", 1)
    monkeypatch.setattr(optimizer, "UNCOMPILED", 1)
    if request.param == "reference":
        monkeypatch.setattr(rows, "library", lambda: None)
        monkeypatch.setattr(weights, "library", lambda: None)


def rate(step: int) -> float:
    return 0.02 * (1 + math.cos(math.pi * step / 700))


def trained(model: nn.Module, steps: int, *, lazy: bool, reads: int = 4) -> None:
    """Steps on tokens of which the high ones are rare, with a rate that changes; decay and clipping."""
    adam = (
        LazyAdamW(model, lr=0.02, weight_decay=DECAY, max_norm=0.5)
        if lazy
        else torch.optim.AdamW(
            [
                {"params": [one for one in model.parameters() if one.dim() > 1], "weight_decay": DECAY},
                {"params": [one for one in model.parameters() if one.dim() < 2], "weight_decay": 0.0},
            ]
        )
    )
    drawn = torch.Generator().manual_seed(1)
    chances = 1 / torch.arange(1, WORDS + 1).float() ** 2
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = rate(step)
        tokens = torch.multinomial(chances, reads * 6, True, generator=drawn).view(6, reads)
        adam.zero_grad()
        nn.functional.cross_entropy(model(tokens), tokens[:, 0] % 3).backward()
        if not lazy:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        adam.step()
    if isinstance(adam, LazyAdamW):
        adam.close()


@pytest.mark.parametrize("steps", [1, 2, 40, 600])
def test_the_weights_are_those_of_adamw(steps: int) -> None:
    torch.manual_seed(0)
    lazily = Reader()
    densely, before = copy.deepcopy(lazily), copy.deepcopy(lazily)
    trained(lazily, steps, lazy=True)
    trained(densely, steps, lazy=False)
    assert len(list(lazily.parameters())) == 4
    for name, wanted in densely.named_parameters():
        moved = (wanted - before.get_parameter(name)).abs().max()
        apart = (lazily.get_parameter(name) - wanted).abs().flatten()
        assert apart.quantile(0.99) <= 1e-4 * moved, name
        assert apart.max() <= 5e-3 * moved, name  # a number whose gradients are as small as ε


def test_a_row_that_is_never_read_decays() -> None:
    model = Reader()
    before = model.words.weight[WORDS - 1].clone()
    drawn = torch.zeros(6, 4, dtype=torch.int64)
    adam, left = LazyAdamW(model, lr=0.02, weight_decay=DECAY), 1.0
    for step in range(50):
        for group in adam.param_groups:
            group["lr"] = rate(step)
        left *= 1 - rate(step) * DECAY
        adam.zero_grad()
        model(drawn).sum().backward()
        adam.step()
    adam.close()
    torch.testing.assert_close(model.words.weight[WORDS - 1], before * left)


def test_what_was_turned_on_is_turned_off() -> None:
    model = Reader()
    adam = LazyAdamW(model, lr=0.02)
    assert model.words.sparse
    adam.close()
    assert not model.words.sparse
    model(torch.zeros(1, 2, dtype=torch.int64)).sum().backward()
    assert not model.words.weight.grad.is_sparse


def test_its_state_is_kept() -> None:
    """As a checkpoint keeps it: between any two steps, with rows that are behind."""
    torch.manual_seed(0)
    model = Reader()
    adam = LazyAdamW(model, lr=0.02, weight_decay=DECAY, max_norm=0.5)

    def step(model: nn.Module, adam: LazyAdamW, number: int) -> None:
        adam.zero_grad()
        model(torch.tensor([[number % 7, (3 * number) % 50]])).square().sum().backward()
        adam.step()

    for number in range(30):
        step(model, adam, number)
    kept = copy.deepcopy((model.state_dict(), adam.state_dict()))
    other = Reader()
    other.load_state_dict(kept[0])
    again = LazyAdamW(other, lr=0.02, weight_decay=DECAY, max_norm=0.5)
    again.load_state_dict(kept[1])
    for number in range(30, 45):
        step(model, adam, number)
        step(other, again, number)
    for one in (adam, again):
        one.flush()
    assert torch.equal(model.words.weight, other.words.weight)


@pytest.mark.parametrize("sizes", [[], [1], [3, 70_001, 16_384], [0, 5]])
@pytest.mark.parametrize("max_norm", [None, 0.1, 1e9])
def test_dense_weights_are_those_of_adamw(sizes: list[int], max_norm: float | None) -> None:
    torch.manual_seed(1)
    ours = nn.ParameterList(torch.randn(size, 1) for size in sizes)
    ours.append(nn.Parameter(torch.randn(4)))  # a bias: it does not decay, and has no gradient at first
    theirs = copy.deepcopy(ours)
    adam = LazyAdamW(ours, lr=0.01, weight_decay=DECAY, max_norm=max_norm)
    adam.param_groups[0]["betas"] = (0.8, 0.99)
    groups = [{"params": list(theirs)[:-1], "weight_decay": DECAY}] if sizes else []
    plain = torch.optim.AdamW([*groups, {"params": [theirs[-1]], "weight_decay": 0.0}], lr=0.01)
    plain.param_groups[0]["betas"] = (0.8, 0.99)
    for step in range(20):
        for group in [*adam.param_groups, *plain.param_groups]:
            group["lr"] = rate(step)
        for one, other in zip(ours, theirs, strict=True):
            absent = len(one) == 4 and one.dim() == 1 and step < 3
            other.grad = None if absent else torch.randn_like(other)
            one.grad = None if absent else other.grad.clone()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        adam.step()
        plain.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=2e-6)
        assert adam.state[one]["step"] == plain.state[other]["step"]


def test_a_step_is_the_same_with_any_number_of_threads() -> None:
    found = []
    for threads in (1, 2, 3):
        torch.manual_seed(2)
        model = nn.Linear(300, 333)
        adam = LazyAdamW(model, lr=0.01, max_norm=0.5)
        torch.set_num_threads(threads)
        for _ in range(5):
            model.weight.grad, model.bias.grad = torch.randn(333, 300), torch.randn(333)
            adam.step()
        found.append(model.weight.detach().clone())
    if weights.library() is not None:
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2])
    torch.testing.assert_close(found[0], found[1])


def test_rows_are_the_same_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "LARGE", 1)
    found = []
    for threads in (1, 2, 3):
        torch.manual_seed(4)
        table = Table(900, 64)
        adam = LazyAdamW(table, lr=0.01, max_norm=0.5)
        torch.set_num_threads(threads)
        for _ in range(6):
            adam.zero_grad()
            table(torch.randint(900, (500,))).pow(2).sum().backward()
            adam.step()
        adam.close()
        found.append(table.weight.detach().clone())
    torch.testing.assert_close(found[0], found[1])
    if available():
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2])


def test_hooks_of_a_step_are_called_once() -> None:
    """This one's and everybody's, also where torch's own step comes after; and a closure is."""
    told: list[str] = []
    model = Reader()
    torch.optim.AdamW(model.parameters()).step()  # with an instance torch prepares the class for hooks
    adam = LazyAdamW(model, lr=0.1)
    everybodys = register_optimizer_step_post_hook(lambda *_: told.append("everybody's"))
    own = adam.register_step_pre_hook(lambda *_: told.append("own"))
    try:
        for _ in range(2):
            model(torch.tensor([[1, 2]])).sum().backward()
            assert adam.step(lambda: 3.0) == 3.0
        assert told == ["own", "everybody's"] * 2
        own.remove()
        adam.step()
        assert told[4:] == ["everybody's"]
    finally:
        everybodys.remove()
    adam.step()
    assert len(told) == 5


def test_what_has_perhaps_no_memory_is_left_to_torch() -> None:
    class Own(Tensor):
        """As torch's distributed tensors are."""

    plain = torch.ones(2, 3)
    assert weights.compiled([plain, nn.Parameter(plain)]) == (weights.library() is not None)
    for one in (plain.as_subclass(Own), plain.double(), plain.T, plain.to_sparse()):
        assert not weights.compiled([plain, one])


def test_only_large_tables_that_are_read_alone_are_lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "LARGE", WORDS * SIZE)
    assert LazyAdamW(Reader(), lr=0.1).tables
    assert not LazyAdamW(nn.Sequential(nn.Embedding(WORDS, SIZE)), lr=0.1).tables
    monkeypatch.setattr(optimizer, "LARGE", WORDS * SIZE + 1)
    assert not LazyAdamW(Reader(), lr=0.1).tables


@pytest.mark.parametrize("ensemble", [1, 2])
def test_an_estimator_learns_the_same(monkeypatch: pytest.MonkeyPatch, ensemble: int) -> None:
    texts = [
        f"{a} {b}" for a in ("play", "stop", "what is") for b in ("jazz", "rock", "it", "this song")
    ] * 3
    labels = [one.split()[0] for one in texts]
    found = []
    for large in (1, 10**9):
        monkeypatch.setattr(optimizer, "LARGE", large)
        settings = Training(epochs=6, batch_size=8, ensemble=ensemble)
        model = elman.Classifier(hidden_size=6, training=settings)
        found.append(model.fit(texts, labels, dev=(texts[:9], labels[:9])).decision_function(texts))
    torch.testing.assert_close(found[0], found[1], atol=2e-3, rtol=1e-3)
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize(("count", "width"), [(0, 3), (1, 1), (40, 7), (300, 64)])
def test_repeated_rows_are_summed(count: int, width: int) -> None:
    torch.manual_seed(count)
    read, grads = torch.randint(20, (count,)), torch.randn(count, width)
    distinct, sums = rows.summed(read, grads, 20)
    assert sorted(distinct.tolist()) == sorted(set(read.tolist()))
    dense = torch.zeros(20, width).index_add_(0, read, grads)
    torch.testing.assert_close(torch.zeros(20, width).index_copy_(0, distinct, sums), dense)


def test_a_row_beyond_the_table_is_refused() -> None:
    for wrong in (-1, 20):
        with pytest.raises(BackendError, match="does not have"):
            rows.summed(torch.tensor([3, wrong]), torch.ones(2, 4), 20)
