"""Policies: encoder -> memory -> head, normaliser inside; and the bundle they are exchanged in."""

from robo_ts.policies.bundle import PolicyBundle
from robo_ts.policies.config import PolicyConfig
from robo_ts.policies.policy import Policy
from robo_ts.policies.population import PopulationPolicy

__all__ = ["Policy", "PolicyBundle", "PolicyConfig", "PopulationPolicy"]
