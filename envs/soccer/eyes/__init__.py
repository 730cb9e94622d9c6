"""What players see: their head cameras, and the rooms around the pitch."""

from robo_ts.envs.soccer.eyes.config import CaptureConfig, EyesConfig
from robo_ts.envs.soccer.eyes.eyes import HEAD, Eyes, head_group

__all__ = ["HEAD", "CaptureConfig", "Eyes", "EyesConfig", "head_group"]
