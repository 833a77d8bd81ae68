import elman

training = elman.Training(epochs=20, batch_size=8, learning_rate=0.005)
characters = elman.TextSettings(tokenizer="characters", characters=None)
mt = elman.Translator(hidden_size=48, target=characters, training=training)
mt.fit("docs/examples/pairs.tsv")

found = mt.predict("seven two nine", decode=elman.Beam(beam_size=4, n_best=3))
print(found.text, len(found.ranking))

looked = mt.inspect("seven two nine")
print(looked.source, looked.target, looked.weights.shape)
