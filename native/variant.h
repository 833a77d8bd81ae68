// What each instruction set's build offers to the dispatcher.
#pragma once

#include "elman.h"
#include "helper.h"

struct Variant {
  void (*run)(const elman_scan& scan, const int64_t* order, bool backward);
  void (*linear)(const elman_linear& linear, const int64_t* order, bool backward);
  void (*rows)(const elman_rows& rows);
  double (*norm)(const elman_adamw& weights);
  void (*adamw)(const elman_adamw& weights);
  double (*cross_entropy)(const elman_cross_entropy& on);
  void (*pool)(const elman_pooling& on);
  void (*step)(const elman_stepper& stepper, const void* x, Helper* helper); /* null: alone */
};
