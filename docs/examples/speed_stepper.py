import torch

import elman
from elman.layers.recurrent import Recurrent
from elman.layers.stepper import Stepper

layer = Recurrent("gru", 64, 64, num_layers=2)
xs = torch.randn(5, 64)
whole = layer(elman.Ragged.of([xs])).outputs.values

for weights in (None, "bfloat16", "int8"):
    stepper = Stepper(layer, weights=weights)
    outputs = torch.cat([stepper.push(x).clone() for x in xs.split(1)])
    print(weights, stepper.size, bool((outputs - whole).abs().max() < 0.05))
