"""Why did the model say that? Attribution, activations, filters, dreams.

The package shares its name with its main function, so it can be called: ``fermodels.explain(...)``
is `fermodels.explain.attribution.explain` whether or not the package was imported before.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fermodels.explain.attribution import Explanation


class _CallablePackage(ModuleType):
    """Importing a submodule binds this package over the function of the same name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Explanation:
        from fermodels.explain.attribution import explain

        return explain(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
