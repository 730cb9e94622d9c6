"""The tasks, one folder each. A folder's ``TASK`` is what the registry lists."""
