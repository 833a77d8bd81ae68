"""Figures of merit: thin faces over torchmetrics, sacrebleu and jiwer, and the counting of spans and edits."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from elman.errors import MissingExtraError

_WORDS = re.compile(r"[^\W_]+")


def accuracy(truth: Tensor, predicted: Tensor) -> float:
    """The share of equal numbers; 0 for none.

    >>> accuracy(torch.tensor([1, 2, 2, 0]), torch.tensor([1, 2, 1, 0]))
    0.75
    """
    return float((truth == predicted).double().mean()) if len(truth) else 0.0


def macro_f1(truth: Tensor, predicted: Tensor) -> float:
    """The mean of the F1 of each class that occurs in the truth or among the predicted.

        F1 = 2·TP / (2·TP + FP + FN)

    >>> macro_f1(torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1]))
    1.0
    """
    from torchmetrics.functional.classification import multiclass_f1_score

    if not len(truth):
        return 0.0
    classes = 1 + int(torch.cat([truth, predicted]).max())
    if classes < 2:
        return 1.0
    return float(multiclass_f1_score(predicted, truth, num_classes=classes, average="macro"))


def auroc(scores: Tensor, positive: Tensor) -> float:
    """The chance that a positive has a higher score than a negative; ties count half.

    >>> auroc(torch.tensor([0.9, 0.8, 0.1]), torch.tensor([True, False, False]))
    1.0
    """
    from torchmetrics.functional.classification import binary_auroc

    return float(binary_auroc(_ranks(scores), positive.long()))


def recall_at(scores: Tensor, negatives: Tensor, keep: float = 0.95) -> float:
    """The share of `negatives` below the score under which lie `1 - keep` of `scores`.

    For out-of-scope input: how many such inputs are refused when `keep` of the others are accepted.

    >>> recall_at(torch.arange(100.0), torch.tensor([1.0, 2.0, 50.0, 70.0]))
    0.5
    """
    threshold = torch.quantile(scores.double(), 1.0 - keep)
    return float((negatives.double() < threshold).double().mean())


def span_scores(
    truth: Sequence[Collection[Any]], predicted: Sequence[Collection[Any]]
) -> dict[str, float]:
    """Precision, recall and F1 of spans, micro-averaged: one counts where both ends and label are right.

        P = TP / (TP + FP)        R = TP / (TP + FN)        F1 = 2·TP / (2·TP + FP + FN)

    Args:
        truth: the spans that there are in each sequence.
        predicted: those that were found.

    >>> span_scores([{(0, 2, "city"), (4, 5, "day")}], [{(0, 2, "city"), (3, 5, "day")}])["f1"]
    0.5
    """
    pairs = [(set(one), set(other)) for one, other in zip(truth, predicted, strict=True)]
    right = sum(len(one & other) for one, other in pairs)
    there, found = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    return {
        "precision": right / found if found else 0.0,
        "recall": right / there if there else 0.0,
        "f1": 2 * right / (there + found) if there + found else 0.0,
    }


def of_texts(
    metric: str, found: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> tuple[dict[str, float], str | None]:
    """The figures of a metric by name, and how BLEU was counted: character by character for Chinese.

    >>> of_texts("wer", ["k æ t"], [["k æ t"]])
    ({'wer': 0.0, 'per': 0.0}, None)
    """
    if metric == "wer":
        return error_rates(found, references), None
    if metric == "rouge":
        return rouge(found, references), None
    letters = [letter for several in references for text in several for letter in text]
    chinese = sum("\u4e00" <= one <= "\u9fff" for one in letters) > 0.2 * len(letters)
    tokenize = "zh" if chinese else "13a"
    value, signature = bleu(found, references, tokenize=tokenize, lowercase=lowercase and not chinese)
    return {"bleu": value}, signature


def bleu(
    found: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    tokenize: str = "13a",
    lowercase: bool = False,
) -> tuple[float, str]:
    """BLEU of a corpus by sacrebleu, from 0 to 100, and the signature that says how it was counted.

    Sources: Papineni et al. 2002; Post 2018, arXiv 1804.08771.

    Args:
        found: one text a sentence.
        references: the texts that each may be compared with, any number.
        tokenize: `13a`, or `zh` for Chinese.
        lowercase: whether case counts for nothing.

    Raises:
        MissingExtraError: sacrebleu is not installed.

    >>> round(bleu(["the cat is on the mat"], [["the cat sat on the mat", "the cat is on a mat"]])[0], 1)
    70.7
    """
    try:
        from sacrebleu.metrics import BLEU  # pyright: ignore[reportPrivateImportUsage]
    except ImportError as cause:
        raise MissingExtraError.of("sacrebleu", "translation", "BLEU") from cause
    if not found:
        return 0.0, ""
    most = max(map(len, references))
    streams: list[Any] = [[one[n] if n < len(one) else None for one in references] for n in range(most)]
    scorer = BLEU(tokenize=tokenize, lowercase=lowercase)
    score = scorer.corpus_score(list(found), streams)
    return float(score.score), str(scorer.get_signature())


def plain_bleu(found: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """BLEU of tokens with spaces between them, from 0 to 100, smoothed as sacrebleu does; one reference each.

    >>> round(plain_bleu(["a b c d e"], [["a b c d f"]]), 2)
    66.87
    """
    right, there = [0] * 4, [0] * 4
    lengths = [0, 0]
    for one, (other, *_) in zip(found, references, strict=True):
        words, truth = one.split(), other.split()
        lengths = [lengths[0] + len(words), lengths[1] + len(truth)]
        for n in range(4):
            own, meant = (_grams(each, n + 1) for each in (words, truth))
            right[n] += (own & meant).total()
            there[n] += own.total()
    if not lengths[0] or not right[0]:
        return 0.0
    total, smooth = 0.0, 1.0
    for hits, count in zip(right, there, strict=True):
        if not count:
            break
        smooth = smooth if hits else 2 * smooth
        total += math.log(hits / count if hits else 1 / (smooth * count)) / 4
    short = min(0.0, 1 - lengths[1] / lengths[0])
    return 100 * math.exp(short + total) if all(there) else 0.0


def cider(found: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """CIDEr of captions, from 0 to 10: how alike their n-grams are to those people wrote, rare ones counting.

        CIDEr = 10·mean_n mean_j cos(g_n(c), g_n(r_j))        g_n = count·log(I / pictures that have the n-gram)

    n is from 1 to 4, j goes over the references of a picture, I is the number of pictures. An n-gram that no
    reference has counts as in one picture. Source: Vedantam et al. 2014, arXiv 1411.5726.

    Args:
        found: the tokens of one caption a picture.
        references: the tokens of each of its references, any number.

    >>> round(cider([["a", "red", "cat"], ["a", "dog"]], [[["a", "red", "cat"]], [["one", "dog"]]]), 4)
    4.375
    """
    total = 0.0
    for n in range(1, 5):
        known = [[_grams(one, n) for one in several] for several in references]
        spread = Counter(gram for several in known for gram in set().union(*several))

        def weighed(grams: Counter[tuple[str, ...]], spread: Counter[Any] = spread) -> dict[Any, float]:
            pictures = len(references)
            return {gram: k * math.log(pictures / max(1, spread[gram])) for gram, k in grams.items()}

        for one, several in zip(found, known, strict=True):
            own = weighed(_grams(one, n))
            alike = [_cosine(own, weighed(each)) for each in several]
            total += sum(alike) / max(len(alike), 1)
    return 10 * total / 4 / max(len(found), 1)


def _cosine(one: dict[Any, float], other: dict[Any, float]) -> float:
    norms = [math.sqrt(sum(value**2 for value in each.values())) for each in (one, other)]
    shared = sum(value * other.get(gram, 0.0) for gram, value in one.items())
    return shared / (norms[0] * norms[1]) if all(norms) else 0.0


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[k:] for k in range(n)), strict=False))


def rouge(found: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L, the mean F1 of the texts, from 0 to 1; the best reference counts.

    Words are runs of letters and digits in lower case. ROUGE-N counts common n-grams, ROUGE-L the longest
    common subsequence. Source: Lin 2004, https://aclanthology.org/W04-1013.

    >>> {name: round(value, 2) for name, value in rouge(["a fast tool"], [["a very fast tool"]]).items()}
    {'rouge1': 0.86, 'rouge2': 0.4, 'rougeL': 0.86}
    """
    totals = {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}
    for one, several in zip(found, references, strict=True):
        words, best = _WORDS.findall(one.lower()), dict.fromkeys(totals, 0.0)
        for other in (_WORDS.findall(each.lower()) for each in several):
            for n in (1, 2):
                grams = [_grams(each, n) for each in (words, other)]
                shared = (grams[0] & grams[1]).total()
                value = _f1(shared, grams[0].total(), grams[1].total())
                best[f"rouge{n}"] = max(best[f"rouge{n}"], value)
            best["rougeL"] = max(best["rougeL"], _f1(_common(words, other), len(words), len(other)))
        totals = {name: value + best[name] for name, value in totals.items()}
    return {name: value / max(len(found), 1) for name, value in totals.items()}


def error_rates(found: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Of words spelled in symbols with spaces between: the share that is wrong, and of their symbols.

        WER = words unlike every reference / words        PER = Σ distance / Σ symbols of the nearest one

    >>> error_rates(["k æ t", "d o ɡ"], [["k æ t"], ["d ɔ ɡ"]])["per"]
    0.16666666666666666
    """
    wrong = distance = symbols = 0
    for one, several in zip(found, references, strict=True):
        wrong += one not in several
        apart, length = min((edits(one.split(), each.split()), len(each.split())) for each in several)
        distance, symbols = distance + apart, symbols + length
    return {"wer": wrong / max(len(found), 1), "per": distance / max(symbols, 1)}


def transcripts(found: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """The word error rate and the character error rate of transcripts, by jiwer, over all of them together.

        WER = (words changed + words left out + words put in) / words of the references

    A reference without a word counts the words that were found for it, and adds none to the divisor.

    Raises:
        MissingExtraError: the package jiwer is not installed.
    """
    try:
        import jiwer
    except ImportError as cause:
        raise MissingExtraError.of("jiwer", "audio", "The word error rate") from cause
    pairs = [(one, other) for one, other in zip(found, references, strict=True) if other.split()]
    extra = [one for one, other in zip(found, references, strict=True) if not other.split()]
    if not pairs:
        return {"wer": float(any(map(str.split, extra))), "cer": float(any(map(str.split, extra)))}
    hypotheses, truth = [one for one, _ in pairs], [other for _, other in pairs]
    rates = {"wer": (jiwer.process_words, str.split), "cer": (jiwer.process_characters, list)}
    figures = {}
    for name, (process, split) in rates.items():
        counts = process(truth, hypotheses)
        wrong = counts.substitutions + counts.deletions + counts.insertions
        units = counts.substitutions + counts.deletions + counts.hits
        figures[name] = (wrong + sum(len(split(one)) for one in extra)) / units
    return figures


def edits(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many symbols to insert, take out or change to make one sequence into another (Levenshtein).

    >>> edits("kitten", "sitting")
    3
    """
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for a in one:
        before = 0
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], before + 1 if a == b else max(row[j], row[j - 1])
    return row[-1]


def _f1(shared: int, found: int, there: int) -> float:
    return 2 * shared / (found + there) if found + there else 0.0


def _ranks(scores: Tensor) -> Tensor:
    """Scores as their rank between 0 and 1, equal ones sharing one: nothing is lost to rounding."""
    levels, where = scores.double().unique(return_inverse=True)
    return where.double() / max(len(levels) - 1, 1)


def forecast_errors(frame: Any, models: Sequence[str]) -> dict[str, dict[str, float]]:
    """For each model the MAE, RMSE and symmetric MAPE of its forecasts, each the mean over series and cutoffs.

    Args:
        frame: of pandas or polars: `unique_id`, `cutoff`, `y`, and a column of forecasts for each model.
        models: their names.

    Raises:
        MissingExtraError: the package utilsforecast is not installed.
    """
    losses = _utilsforecast()
    found: dict[str, dict[str, float]] = {name: {} for name in models}
    for figure in ("mae", "mse", "smape"):
        table = getattr(losses, figure)(frame, models=list(models))
        for name in models:
            found[name][figure] = float(table[name].mean())
    for figures in found.values():
        figures["rmse"] = figures.pop("mse") ** 0.5
    return found


def coverage(frame: Any, model: str, level: float | str) -> float:
    """The share of truths inside of the intervals of a level, in percent.

    Args:
        frame: as for `forecast_errors`, with the columns `model-lo-level` and `model-hi-level`.
        model: its name.
        level: in percent.
    """
    table = _utilsforecast().coverage(frame, models=[model], level=level)
    return float(table[model].mean())


def _utilsforecast() -> Any:
    try:
        from utilsforecast import losses
    except ImportError as cause:
        raise MissingExtraError.of("utilsforecast", "forecast", "Measuring forecasts") from cause
    return losses
