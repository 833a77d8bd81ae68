import numpy as np

import elman

films = [
    np.stack([np.eye(12)[(start + step) % 9] * np.ones((8, 1)) for step in range(8)])
    for start in range(9)
]

small = elman.VideoSettings(height=8, width=12, channels=8)
training = elman.Training(epochs=40, batch_size=4, learning_rate=0.01, dropout=0.0)
forecaster = elman.FrameForecaster(hidden_size=16, video=small, training=training)
forecaster.fit(films, dev=films)

report = forecaster.evaluate(films)
print(report.beaten, forecaster.predict(films[0], horizon=3))
