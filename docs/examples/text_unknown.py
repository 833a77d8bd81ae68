from elman.codecs.text import Text

codec = Text().fit(["turn on the light", "turn off the lamp"])
print(codec.numbers(["turn", "lights"]))

row = codec.encode(["lights"]).values[0]
print(row.shape[0], row[:9].tolist())
