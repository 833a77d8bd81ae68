import elman

stories = ["Mary went home. John slept.", "John went home. Mary slept."] * 20
asked = ["Who slept?", "Who slept?", "Who went home?", "Who went home?"] * 10
answers = ["John", "Mary", "Mary", "John"] * 10

training = elman.Training(epochs=30, batch_size=8, learning_rate=1e-2, dropout=0.1)
clf = elman.Classifier(hidden_size=16, bidirectional=True, training=training)
clf.fit({"text": stories, "asked": asked, "label": answers}, question="asked")
print(clf.predict(("Mary went home. John slept.", "Who slept?")).label)
