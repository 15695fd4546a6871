"""Settings of the docs site, which Sphinx builds of the same Markdown that GitHub shows: make docs

Everything works without a network: the search is a file of the site, formulas become MathML when it is built, and the
theme brings no fonts. Links to code lead to pages of its text (source_pages.py).
"""

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE)]
source_pages = importlib.import_module("source_pages")

project = "A DCGAN from scratch"
author = copyright = "the gpunet authors"
root_doc = "README"  # html_extra_path has an index.html that leads to it
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.linkcode"]
extensions += ["contents", "docstrings", "mathematics", "notebooks", "source_pages"]  # those of this folder
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**.md",
    "docs/site/api/*.rst",
    "kernels/**.md",
]
exclude_patterns = [".*", "build", "dist", "runs", "tests", "**/__pycache__"]

# ---- Markdown as GitHub reads it ----

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 6
myst_dmath_double_inline = True
highlight_language = "none"  # of blocks that do not say theirs
smartquotes = False  # quotation marks and hyphens stay as they are written

# ---- the reference of the Python interface ----

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_type_aliases = {"Array": "Array"}  # Array stands for a NumPy or a CuPy array
linkcode_resolve = source_pages.code_of
python_maximum_signature_line_length = 100
add_module_names = False
toc_object_entries = False

# ---- how it looks ----

html_theme = "furo"
html_title = project
html_static_path = [str(HERE / "style.css")]
html_favicon = str(HERE / "icon.svg")
html_css_files = ["style.css"]
html_extra_path = [str(HERE / "index.html")]
html_math_renderer = "mathml"
html_copy_source = False
html_show_search_summary = False  # a page that is opened from a file may not fetch others
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
