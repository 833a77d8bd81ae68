import elman

tagger = elman.Tagger(hidden_size=32, training=elman.Training(epochs=30, batch_size=8))
tagger.fit("docs/examples/trips.conll")

found = tagger.predict("fly me to New York tomorrow")
print(found.tags)
for span in found.spans:
    print(span.label, span.start, span.end, found.text(span))
