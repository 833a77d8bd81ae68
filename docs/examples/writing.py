import elman
from elman.data import read

lines = read("docs/examples/lines.txt", format="lines")
training = elman.Training(epochs=150, dropout=0.0, learning_rate=1e-2)
writer = elman.Generator("gru", hidden_size=48, training=training).fit(lines, dev=lines)

print(writer.generate("The moon", decode=elman.Greedy()))
print(writer.generate("The snow", decode=elman.Sample(temperature=0.3, seed=1)))
print(writer.predict("The rain in s").label)
