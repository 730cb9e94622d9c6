"""Smallest honest tests of the methods of distillation: each keeps its promise, or shows it not."""
