import elman
from elman import datasets

train = datasets.load("home-assistant", "train", language="en")
print(sorted(train), len(train["text"]) == len(train["label"]))

clinc = datasets.get("clinc150")
print(clinc.licence, clinc.splits)

clf = elman.Classifier(hidden_size=16, training=elman.Training(epochs=1, batch_size=256))
clf.fit({"text": train["text"][:2000], "label": train["label"][:2000]})
