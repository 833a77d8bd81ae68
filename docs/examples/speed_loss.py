import torch
from torch import nn

from elman.layers.entropy import cross_entropy

head, features = nn.Linear(16, 5), torch.randn(8, 16, requires_grad=True)
targets = torch.randint(5, (8,))
loss = cross_entropy(head, features, targets, smoothing=0.1)
loss.backward()
print(torch.allclose(loss, nn.functional.cross_entropy(head(features), targets, label_smoothing=0.1)))
