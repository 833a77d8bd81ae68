import math

import elman

rising = [[0.1 * t + math.sin(t + shift) for t in range(20)] for shift in range(40)]
falling = [[-0.1 * t + math.sin(t + shift) for t in range(20)] for shift in range(40)]

clf = elman.Classifier(cell="lstm", hidden_size=16, training=elman.Training(epochs=10))
clf.fit(rising + falling, ["up"] * 40 + ["down"] * 40)
print(clf.predict([0.0, 0.3, 0.9, 1.2, 1.8]).label)
