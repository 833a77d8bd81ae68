import elman

training = elman.Training(epochs=10, learning_rate=5e-3, seed=7, checkpoint_seconds=10)
clf = elman.Classifier(cell="lstm", hidden_size=64, bidirectional=True, training=training)
clf.fit("docs/examples/intents.csv", text="utterance", label="intent", out="runs/mine")

again = elman.Classifier(cell="lstm", hidden_size=64, bidirectional=True, training=training)
again.fit("docs/examples/intents.csv", text="utterance", label="intent", out="runs/mine")
print(again.history_ == clf.history_)
