"""Unit tests run side by side, one process for each core, so numeric libraries compute in one thread each."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read when numpy and torch are imported, which is later
