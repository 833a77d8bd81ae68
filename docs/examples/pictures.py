import numpy as np

import elman

night = np.zeros((16, 16, 3), np.uint8)
snow = np.full((16, 16, 3), 255, np.uint8)
pictures, texts = [night, snow] * 20, ["a dark night", "a field of snow"] * 20

small = elman.ImageSettings(size=16, channels=8)
training = elman.Training(epochs=20, batch_size=8, dropout=0.0, learning_rate=0.005)
captioner = elman.Captioner(hidden_size=32, image=small, training=training)
captioner.fit(pictures, texts)

print(captioner.predict(night).text)
gaze = captioner.inspect(snow)
print(gaze.tokens, gaze.weights.shape, gaze.way)
