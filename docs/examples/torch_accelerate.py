import torch
from torch import nn

import elman


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 8)
        self.recurrent = nn.GRU(8, 16, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, tokens):
        _, h = self.recurrent(self.embedding(tokens))
        return self.head(h[-1])


model = Reader()
optimizer = torch.optim.Adam(model.parameters())
before = model(torch.arange(6)[None])

elman.nn.accelerate(model)
after = model(torch.arange(6)[None])
print(isinstance(model.recurrent, elman.nn.GRU), torch.allclose(before, after, atol=1e-5))

after.sum().backward()
optimizer.step()
