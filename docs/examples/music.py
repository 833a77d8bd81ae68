import elman
from elman.data import read

tunes = read("docs/examples/tunes.abc")
training = elman.Training(epochs=150, batch_size=2, dropout=0.0, learning_rate=1e-2)
composer = elman.Composer("gru", hidden_size=32, training=training).fit(tunes, dev=tunes)

opening = [[62], [64], [66], [67]]
piece = composer.generate(opening, length=3, decode=elman.Greedy())
print([note.pitch for note in piece.notes])
print(composer.predict(opening).label)
