"""Pictures of what happened: the live page, videos, and the run's report."""
