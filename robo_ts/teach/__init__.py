"""Teachers: PPO on privileged state, and checkpoints of other libraries turned into bundles."""
