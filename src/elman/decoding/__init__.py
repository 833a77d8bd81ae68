"""From scores to sequences, token by token: greedily, by chance, or with a beam."""
