"""A page that draws with a trained G in the browser: page.py writes it, plan.py says what its script computes."""
