"""Pictures of what happened: the run's report."""
