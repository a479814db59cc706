"""report.html: what a conversion made, as one page with charts and no references."""
