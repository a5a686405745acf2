"""The kernels compiled by Numba, where the extra `fast` is installed; `dispatch` is the only door to them."""
