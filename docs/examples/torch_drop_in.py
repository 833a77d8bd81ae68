import torch
from torch import nn

import elman

theirs = nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True)
ours = elman.nn.LSTM(8, 16, num_layers=2, bidirectional=True, batch_first=True)
ours.load_state_dict(theirs.state_dict())

xs = torch.randn(3, 5, 8)
outputs, (h, c) = ours(xs)
print(outputs.shape, h.shape, torch.allclose(outputs, theirs(xs)[0], atol=1e-5))

ragged = elman.Ragged.of([torch.randn(5, 8), torch.randn(0, 8), torch.randn(2, 8)])
outputs, (h, c) = ours(ragged)
print(outputs.lengths.tolist(), outputs.values.shape, h.shape)
