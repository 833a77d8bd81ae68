import math

import elman

hours = {"ds": list(range(200)), "y": [math.sin(t / 4) for t in range(200)]}
training = elman.Training(epochs=40, batch_size=16, dropout=0.0)
settings = elman.SeriesSettings(freq=1, anchor="last")
model = elman.Forecaster(hidden_size=16, horizon=3, direct=False, series=settings, training=training)
model.fit(hours)

with model.stream() as stream:
    for t in range(200, 203):
        print(stream.push(math.sin(t / 4)).shape)

model.update(math.sin(200 / 4))
print(model.predict()["ds"])
