"""What is done with a library of others once the application has imported it, and not before: to
import it ourselves would cost every process that does not use it."""

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from prefactor_otel.stats.log import logger


def when_imported(name: str, then: Callable[[], None]) -> None:
    """Call this as soon as the module of that name is imported; at once, where it is already. What
    it raises is logged, and is no matter of the import's. To be called once for each module."""
    if name in sys.modules:
        importlib.import_module(name)  # waits for who is amid it
        _try(then)
    else:
        sys.meta_path.insert(0, _Watch(name, then))


class _Watch(MetaPathFinder):
    """Finds no module by itself: it has one loaded by who finds it, and then tells."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then = then

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """How the module is loaded; of every other one None, at once."""
        if name != self._name:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)  # an old one may have none
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                self._follow(spec)
                return spec
        return None

    def _follow(self, spec: ModuleSpec) -> None:
        loader, execute = spec.loader, getattr(spec.loader, "exec_module", None)
        if loader is None or execute is None:
            return

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == self._name and self in sys.meta_path:
                sys.meta_path.remove(self)
                _try(self._then)

        try:
            loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one only
        except AttributeError:
            logger.debug("The import of %s cannot be watched", self._name)


def _try(then: Callable[[], None]) -> None:
    try:
        then()
    except Exception as error:
        logger.debug("What was to follow an import failed: %s", type(error).__name__)
