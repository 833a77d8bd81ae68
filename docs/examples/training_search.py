import pandas as pd
from sklearn.model_selection import GridSearchCV

import elman

table = pd.read_csv("docs/examples/intents.csv")
clf = elman.Classifier(hidden_size=16, training=elman.Training(epochs=5))
search = GridSearchCV(clf, {"cell": ["rnn", "gru"], "training__learning_rate": [2e-3, 1e-2]}, cv=2)
search.fit(table["utterance"], table["intent"])
print(sorted(search.best_params_))
