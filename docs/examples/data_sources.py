import pandas as pd

from elman.data import read

print(read("docs/examples/intents.csv"))
print(read({"text": ["hello", "goodbye"], "label": ["greet", "leave"]}))
print(read([{"text": "hello", "label": "greet"}, {"text": "goodbye", "label": "leave"}]))
print(read(pd.DataFrame({"text": ["hello"], "label": ["greet"]})))
