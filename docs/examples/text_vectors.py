from pathlib import Path

import elman

Path("tiny.vec").write_text(
    "4 3\nlight 0.9 0.1 0.0\nlamp 0.8 0.2 0.0\nsong 0.0 0.1 0.9\nbulb 0.9 0.2 0.1\n"
)

text = elman.TextSettings(vectors="tiny.vec", embedding_size=3)
clf = elman.Classifier(text=text, training=elman.Training(epochs=2))
clf.fit("docs/examples/intents.csv", text="utterance", label="intent")
print(clf.input_.numbers(["bulb"]) != clf.input_.numbers(["<unk>"]))
