import elman

training = elman.Training(epochs=15, batch_size=2, learning_rate=1e-2)
tagger = elman.Tagger("gru", 16, 1, bidirectional=False, training=training)
tagger.fit("docs/examples/watch.csv", series="id", time="seconds", tags="doing")

with tagger.stream() as stream:  # as the watch measures, in constant memory
    for reading in [[0.1, 9.8], [0.0, 9.9], [1.9, 9.3], [-1.7, 8.7], [0.2, 11.8], [1.5, 8.5]]:
        print(stream.push(reading).label)
