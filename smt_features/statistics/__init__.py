"""Statistics of a log: counting, figures, comparison, and the page that shows them."""
