import elman

clf = elman.Classifier(cell="gru")
clf.fit("docs/examples/intents.csv", text="utterance", label="intent")

trace = clf.inspect("What time is it ?")
print(trace.steps[-1].beliefs[0], trace.states["z_l0"].shape)

with clf.stream() as stream:
    for word in ["Play", "some", "music"]:
        print(stream.push(word))
