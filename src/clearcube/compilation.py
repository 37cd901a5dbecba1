"""How loops over pixels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(*, parallel: bool = False) -> Callable[[Kernel], Kernel]:
    """Decorator: compile a function of arrays to machine code that releases the interpreter's lock.

    The machine code is kept on disk for the next process where a cache folder can be written, else only in memory.
    `parallel` is for kernels that one thread at a time calls on arrays in memory: numba's parallel loops called
    from two Python threads at once can abort the process, so kernels that dask may call leave it False.

    Raises
    ------
    TypeError : at the first call, arguments of types that the function cannot be compiled for.
    """

    def compile_kernel(function: Kernel) -> Kernel:
        jit: Any = numba.njit  # a dispatcher is called like the function, but its type does not say so
        kernel: Kernel
        try:
            kernel = jit(nogil=True, parallel=parallel, cache=True)(function)
        except RuntimeError:  # numba finds no folder to cache in
            kernel = jit(nogil=True, parallel=parallel)(function)
        return kernel

    return compile_kernel
