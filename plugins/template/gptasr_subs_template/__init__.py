"""A recogniser, a format and a notifier to start from."""
