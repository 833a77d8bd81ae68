import elman

training = elman.Training(epochs=40, batch_size=16, learning_rate=5e-3, dropout=0.0)
model = elman.Forecaster(cell="gru", hidden_size=32, horizon=7, window=14, training=training)
model.fit("docs/examples/sales.csv", time="day", target="sold", series="shop")

table = model.predict(level=[80])
print(list(table))
print(table["shop"][0], table["day"][:2], len(table["elman"]))

past = model.cross_validation(
    "docs/examples/sales.csv", n_windows=2, time="day", target="sold", series="shop"
)
print(sorted(set(past["cutoff"])))
