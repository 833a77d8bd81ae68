from elman import TextSettings
from elman.codecs.text import Text

texts = ["What's the time ?", "现在几点了？"]
for settings in (
    TextSettings(),
    TextSettings(lowercase=False),
    TextSettings(segmenter="jieba"),
    TextSettings(tokenizer="characters"),
):
    codec = Text(settings).fit(texts)
    print([codec.tokens(text) for text in texts])
