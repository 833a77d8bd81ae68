import elman

clf = elman.Classifier(cell="gru", bidirectional=True)
clf.fit("docs/examples/intents.csv", text="utterance", label="intent")
print(clf.predict("What time is it ?").label)
clf.save("intents.elman")
