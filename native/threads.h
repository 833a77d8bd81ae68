// Several threads for one piece of work, and one where there is no OpenMP.
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

namespace ELMAN_VARIANT {

// Calls job(part, parts) in as many threads as there are parts: `threads`, or fewer where the system gives fewer.
template <class Job>
void in_parts(int threads, const Job& job) {
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) if (threads > 1)
  job(omp_get_thread_num(), omp_get_num_threads());
#else
  (void)threads, job(0, 1);
#endif
}

// Where all parts wait for each other.
inline void meet() {
#ifdef _OPENMP
#pragma omp barrier
#endif
}

}  // namespace ELMAN_VARIANT
