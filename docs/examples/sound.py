import numpy as np

import elman

RATE = 8000


def tone(start, end, seconds=0.25):
    """A tone that glides from one pitch to another."""
    hertz = np.geomspace(start, end, int(seconds * RATE))
    return np.sin(2 * np.pi * np.cumsum(hertz) / RATE).astype(np.float32)


draw = np.random.default_rng(1)
pitches = draw.uniform(250, 350, 60)
rising = [(tone(pitch, 6 * pitch), RATE) for pitch in pitches[:30]]
falling = [(tone(6 * pitch, pitch), RATE) for pitch in pitches[30:]]

training = elman.Training(epochs=20, batch_size=16)
clf = elman.Classifier(hidden_size=16, audio=elman.AudioSettings(n_mels=20), training=training)
clf.fit(rising + falling, ["up"] * 30 + ["down"] * 30)

with clf.stream() as stream:
    for piece in np.split(tone(300, 1800), [500, 1000, 1500]):
        answer = stream.push((piece, RATE))
    print(answer.label)
