"""The conditions quadrotor policies are compared under."""

from __future__ import annotations

from typing import Any

from robo_ts.env.trials import Trial
from robo_ts.envs.quadrotor.vehicles import names

# RAPTOR's protocol: hold, a constant force, its starts. Broken limits are marked; flights go on.
_HOLD: dict[str, Any] = {"limits_end": False, "references": {"langevin": 0.0}}
_CALM = {"disturbance": 0.0}
_BINS = {
    "torque_to_inertia": [40.0, 80.0, 150.0, 300.0, 600.0, 1200.0],
    "thrust_to_weight": [1.5, 1.75, 2.0, 2.5, 3.5, 5.0],
}
# Bins of the wide distribution.
_WIDE = {
    "torque_to_inertia": [20.0, 40.0, 80.0, 150.0, 300.0, 600.0, 1200.0, 2500.0],
    "thrust_to_weight": [1.2, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0],
}


def _range(low: float, high: float, law: str = "uniform") -> dict[str, Any]:
    return {"low": low, "high": high, "law": law}


def _always(value: float) -> dict[str, Any]:
    return _range(value, value)


def _hold(group: str, text: str, episodes: int = 512, **changes: Any) -> Trial:
    return Trial(group, text, _HOLD | changes, episodes)


def trials() -> dict[str, Trial]:
    """All of them, by name."""
    return {
        "hold": Trial(
            "hold", "RAPTOR's protocol: 500 steps, constant force", _HOLD, 1024, 5, _BINS
        ),
        "calm": _hold("hold", "the same without the force", drones=_CALM),
        **_drones(),
        **_starts(),
        **_vehicles(),
        **_tracking(),
        **_sensors(),
        **_weather(),
        "reality": Trial(
            "reality", "latency, noise, gusts and drag, each drawn", _HOLD | reality(), 1024
        ),
    }


def reality() -> dict[str, Any]:
    """Latency of 0 to 20 ms, noise of 1 cm, 5 cm/s and 0.1 rad/s, gusts and drag."""
    return {
        "sensors": {"latency": _range(0.0, 0.02), "noise": _always(1.0)},
        "air": {"drag": _range(0.0, 0.4), "gust_speed": _range(0.0, 2.0)},
    }


def wide() -> dict[str, Any]:
    """Drones far beyond RAPTOR's."""
    return {
        "thrust_to_weight": _range(1.2, 12.0, "log_uniform"),
        "torque_to_inertia": _range(20.0, 2500.0, "log_uniform"),
        "rise_time": _range(0.02, 0.15),
        "fall_time": _range(0.02, 0.5),
        "linear_thrust": _range(0.0, 1.0),
    }


def _drones() -> dict[str, Trial]:
    ranges = {
        "t2w_1.2_1.5": {"thrust_to_weight": _range(1.2, 1.5)},
        "t2w_5_8": {"thrust_to_weight": _range(5.0, 8.0)},
        "t2w_8_12": {"thrust_to_weight": _range(8.0, 12.0)},
        "t2i_20_40": {"torque_to_inertia": _range(20.0, 40.0)},
        "t2i_1200_2500": {"torque_to_inertia": _range(1200.0, 2500.0)},
        "rise_100_150ms": {"rise_time": _range(0.10, 0.15)},
        "fall_300_500ms": {"fall_time": _range(0.3, 0.5)},
        "force_x2": {"disturbance": 0.6},
        "force_x3.3": {"disturbance": 1.0},
    }
    found = {
        name: _hold("drones", "hold; drones outside RAPTOR's distribution", drones=change)
        for name, change in ranges.items()
    }
    text = "hold; thrust-to-weight 1.2 to 12, torque-to-inertia 20 to 2500, other lags and curves"
    found["wide"] = Trial("drones", text, _HOLD | {"drones": wide()}, 2048, bins=_WIDE)
    far = {"drones": wide(), "start": {"position": 5.0}, "episode_steps": 1000}
    found["wide_5m"] = Trial("drones", f"{text}; from within 5 m", _HOLD | far, 2048, bins=_WIDE)
    return found


def _starts() -> dict[str, Trial]:
    return {
        "start_2m": _hold("starts", "hold; from within 2 m", start={"position": 2.0}),
        "start_5m": _hold(
            "starts", "hold; from within 5 m, 10 s", start={"position": 5.0}, episode_steps=1000
        ),
        "any_attitude": _hold("starts", "hold; turned at random", start={"tilt": 3.1416}),
        "flight_30s": _hold("starts", "hold for 30 s", episode_steps=3000),
    }


def _vehicles() -> dict[str, Trial]:
    return {
        f"vehicle_{name}": _hold(
            "vehicles", f"hold; {name}, no force", 128, vehicle=name, drones=_CALM
        )
        for name in names()
    }


def _tracking() -> dict[str, Trial]:
    found = {}
    for period in (16.0, 10.0, 8.0, 6.5, 5.5, 4.0, 3.0):
        eight = {"langevin": 0.0, "eight": 1.0, "period": _always(period), "length": _always(2.0)}
        changes = {
            "limits_end": False,
            "references": eight,
            "drones": _CALM,
            "episode_steps": 2000,
        }
        found[f"eight_{period:g}s"] = Trial("tracking", "figure-eight 2 x 1 m, 20 s", changes, 512)
    step = {"limits_end": False, "references": {"langevin": 0.0, "step": 1.0}}
    found["step"] = Trial("tracking", "one jump of up to 1 m per axis", step, 512)
    langevin = {"limits_end": False, "references": {"langevin": 1.0}}
    found["langevin"] = Trial("tracking", "smooth random path", langevin, 512)
    return found


def _weather() -> dict[str, Trial]:
    drag, tired = {"drag": _always(0.4)}, {"sag": _always(0.15)}
    poked = {"kick": _always(1.0)}
    return {
        "gusts": _hold(
            "air", "hold; gusts of 2 m/s and drag", air=drag | {"gust_speed": _always(2.0)}
        ),
        "pokes": _hold("air", "hold; pushed by 1 m/s per axis about every 2 s", air=poked),
        "torque": _hold(
            "air",
            "hold; a torque too, 5% of what a pair of rotors can give",
            drones={"disturbance_torque": 0.05},
        ),
        "sag_15": _hold("air", "hold; a battery that loses 15% at full load", drones=tired),
    }


def _sensors() -> dict[str, Trial]:
    found = {}
    for milliseconds in (5, 10, 15, 20):
        late = {"action_delay": _always(milliseconds / 1000.0)}
        found[f"latency_{milliseconds}ms"] = _hold("sensors", "hold; actions late", sensors=late)
    for milliseconds in (10, 20):
        late = {"observation_delay": _always(milliseconds / 1000.0)}
        found[f"readings_{milliseconds}ms_late"] = _hold(
            "sensors", "hold; readings late", sensors=late
        )
    found["latency_0_20ms"] = _hold(
        "sensors",
        "hold; latency drawn, on actions, readings or both",
        1024,
        sensors={"latency": _range(0.0, 0.02)},
    )
    for size in (0.5, 1.0, 2.0):
        noise = {"noise": _always(size)}
        found[f"noise_x{size:g}"] = _hold(
            "sensors", "hold; noise of 1 cm, 5 cm/s, 0.1 rad/s", sensors=noise
        )
    for size in (1.0, 2.0):
        found[f"bias_x{size:g}"] = _hold(
            "sensors",
            "hold; readings off all flight long, by 1 cm, 5 cm/s, 0.1 rad/s",
            sensors={"bias": _always(size)},
        )
    return found
