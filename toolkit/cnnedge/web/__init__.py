"""A page that labels a phone's camera in its own browser, and the small server behind it."""
