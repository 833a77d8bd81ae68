"""elman: recurrent sequence models. Train them, look inside them, ship them.

Names are loaded when they are first used, so that importing elman costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elman import nn
    from elman.answers import (
        Alignment,
        Caption,
        ForecastReport,
        Generated,
        LikelihoodReport,
        Prediction,
        Report,
        Tagged,
        TagReport,
        TextReport,
        Transcript,
        Translation,
        Verse,
        VerseReport,
    )
    from elman.codecs.audio import AudioSettings
    from elman.codecs.image import ImageSettings
    from elman.codecs.music import MusicSettings
    from elman.codecs.text import TextSettings
    from elman.codecs.video import VideoSettings
    from elman.data.panels import SeriesSettings
    from elman.decoding.beam import Beam
    from elman.decoding.greedy import Greedy
    from elman.decoding.sample import Sample
    from elman.music.answers import Composed, HarmonyReport, MusicReport
    from elman.music.piece import Piece
    from elman.ragged import Ragged
    from elman.seen import Film, FrameReport, Gaze, Screening
    from elman.tasks import load
    from elman.tasks.captioner import Captioner
    from elman.tasks.classifier import Classifier
    from elman.tasks.composer import Composer
    from elman.tasks.forecaster import Forecaster
    from elman.tasks.frame_forecaster import FrameForecaster
    from elman.tasks.generator import Generator
    from elman.tasks.harmonizer import Harmonizer
    from elman.tasks.tagger import Tagger
    from elman.tasks.transcriber import Transcriber
    from elman.tasks.translator import Translator
    from elman.tasks.versifier import Versifier
    from elman.training import Training

__version__ = "0.1.0"

_HOMES = {
    "Alignment": "elman.answers",
    "AudioSettings": "elman.codecs.audio",
    "Beam": "elman.decoding.beam",
    "Caption": "elman.answers",
    "Captioner": "elman.tasks.captioner",
    "Classifier": "elman.tasks.classifier",
    "Composed": "elman.music.answers",
    "Composer": "elman.tasks.composer",
    "Film": "elman.seen",
    "ForecastReport": "elman.answers",
    "Forecaster": "elman.tasks.forecaster",
    "FrameForecaster": "elman.tasks.frame_forecaster",
    "FrameReport": "elman.seen",
    "Gaze": "elman.seen",
    "Generated": "elman.answers",
    "Generator": "elman.tasks.generator",
    "Greedy": "elman.decoding.greedy",
    "Harmonizer": "elman.tasks.harmonizer",
    "HarmonyReport": "elman.music.answers",
    "ImageSettings": "elman.codecs.image",
    "LikelihoodReport": "elman.answers",
    "MusicReport": "elman.music.answers",
    "MusicSettings": "elman.codecs.music",
    "Piece": "elman.music.piece",
    "Prediction": "elman.answers",
    "Ragged": "elman.ragged",
    "Report": "elman.answers",
    "Sample": "elman.decoding.sample",
    "Screening": "elman.seen",
    "SeriesSettings": "elman.data.panels",
    "TagReport": "elman.answers",
    "Tagged": "elman.answers",
    "Tagger": "elman.tasks.tagger",
    "TextReport": "elman.answers",
    "TextSettings": "elman.codecs.text",
    "Training": "elman.training",
    "Transcriber": "elman.tasks.transcriber",
    "Transcript": "elman.answers",
    "Translation": "elman.answers",
    "Translator": "elman.tasks.translator",
    "Verse": "elman.answers",
    "VerseReport": "elman.answers",
    "Versifier": "elman.tasks.versifier",
    "VideoSettings": "elman.codecs.video",
    "load": "elman.tasks",
}

_MODULES = {"nn": "elman.nn"}

__all__ = [
    "Alignment",
    "AudioSettings",
    "Beam",
    "Caption",
    "Captioner",
    "Classifier",
    "Composed",
    "Composer",
    "Film",
    "ForecastReport",
    "Forecaster",
    "FrameForecaster",
    "FrameReport",
    "Gaze",
    "Generated",
    "Generator",
    "Greedy",
    "Harmonizer",
    "HarmonyReport",
    "ImageSettings",
    "LikelihoodReport",
    "MusicReport",
    "MusicSettings",
    "Piece",
    "Prediction",
    "Ragged",
    "Report",
    "Sample",
    "Screening",
    "SeriesSettings",
    "TagReport",
    "Tagged",
    "Tagger",
    "TextReport",
    "TextSettings",
    "Training",
    "Transcriber",
    "Transcript",
    "Translation",
    "Translator",
    "Verse",
    "VerseReport",
    "Versifier",
    "VideoSettings",
    "load",
    "nn",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'elman' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
