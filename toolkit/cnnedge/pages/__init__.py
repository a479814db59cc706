"""What the HTML pages share: figures as text, axes, labels, scatter plots, the base style."""
