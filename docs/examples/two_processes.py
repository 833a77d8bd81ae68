import elman

if __name__ == "__main__":  # each process runs this file from its beginning
    training = elman.Training(epochs=2, devices=2, strategy="ddp")
    clf = elman.Classifier(hidden_size=32, training=training)
    clf.fit("docs/examples/intents.csv", text="utterance", label="intent", out="runs/two")
    print(len(clf.history_), "epochs")
