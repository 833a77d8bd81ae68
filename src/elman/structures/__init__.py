"""How inputs and outputs are counted: N-to-1, and its siblings to come as files of this folder."""
