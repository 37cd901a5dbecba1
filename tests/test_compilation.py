import numpy as np

from clearcube import compilation
from clearcube.compilation import compiled


def double(values):
    return values * 2


def test_a_compiled_function_gives_what_the_function_gives():
    values = np.arange(4.0)
    function = compiled()(double)
    np.testing.assert_array_equal(function(values), double(values))


def test_without_a_cache_folder_the_function_is_compiled_all_the_same(monkeypatch):
    calls = []
    njit = compilation.numba.njit

    def without_folder(*args, cache=False, **options):
        calls.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **options)

    monkeypatch.setattr(compilation.numba, "njit", without_folder)
    assert compiled()(double)(3) == 6
    assert calls == [True, False]
