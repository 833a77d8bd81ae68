import elman

training = elman.Training(epochs=120, patience=120, dropout=0.0, batch_size=4)
poet = elman.Versifier(hidden_size=48, training=training)
poet.fit("docs/examples/couplets.tsv", dev="docs/examples/couplets.tsv")

print(poet.predict("大漠孤煙直").second)
print(len(poet.predict("大漠孤煙").second))
print(poet.predict("大漠孤煙直", tones=True, rhyme="中").second)
