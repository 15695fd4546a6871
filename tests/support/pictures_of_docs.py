"""docs/pictures.py as a module: docs/ is no package."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from pages import ROOT


def loaded(name: str) -> ModuleType:
    """Return a program of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


pictures = loaded("pictures")
