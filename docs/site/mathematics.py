"""Formulas, $...$ in Markdown, as MathML: browsers show it by themselves, so the pages need no script and no fonts."""

from __future__ import annotations

from typing import Any

from latex2mathml.converter import convert


def visit_inline(writer: Any, node: Any) -> None:
    """Write a formula within a sentence."""
    _write(writer, node, "inline")


def visit_block(writer: Any, node: Any) -> None:
    """Write a formula on lines of its own."""
    _write(writer, node, "block")


def _write(writer: Any, node: Any, display: str) -> None:
    from docutils.nodes import SkipNode

    writer.body.append(convert(node.astext(), display=display))
    raise SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
