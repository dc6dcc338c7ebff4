"""What is shipped imports no private module or name of another package; import-linter cannot forbid these."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import eus_etl

PACKAGE = Path(eus_etl.__file__).parent


def private_imports(code: str) -> Iterator[str]:
    """Modules and names with a leading underscore that the code imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if any(part.startswith("_") for part in name.split(".")))


@pytest.mark.parametrize(
    "code", ["import dagster._core", "from dagster._core.events import X", "from polars import _plr"]
)
def test_a_private_import_is_seen(code: str) -> None:
    assert len(list(private_imports(code))) == 1


def test_nothing_private_is_imported() -> None:
    found = {
        f"{file.relative_to(PACKAGE)}: {name}"
        for file in PACKAGE.rglob("*.py")
        for name in private_imports(file.read_text(encoding="utf-8"))
    }
    assert found == set()
