"""A task environment as other libraries want it: rsl_rl, Stable-Baselines3, gymnasium."""
