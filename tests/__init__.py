"""Read before anything else of the tests, and so before numpy: one thread for its products, as the stage has it
(live.picture.preload). The products here are small, and two threads spend seven eighths of their time waiting for each
other."""

import os

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
