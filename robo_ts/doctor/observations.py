"""Checks of what an environment lets its policies see."""

from __future__ import annotations

from fnmatch import fnmatchcase

import torch
from torch import Tensor

from robo_ts.doctor.finding import Finding
from robo_ts.doctor.sample import Sample
from robo_ts.env.observations import ObservationGroup

# A number that changes by less than this over all worlds and steps counts as constant.
_CONSTANT = 1e-6
# Raw numbers beyond this were hardly meant: a unit, or an angle that was never wrapped.
_HUGE = 1e4
_IMAGE_DTYPES = {
    "uint8": torch.uint8,
    "uint16": torch.uint16,
    "float16": torch.float16,
    "float32": torch.float32,
}


def contract(sample: Sample) -> list[Finding]:
    """Groups have the declared names, shapes and kinds."""
    found, spec = [], sample.env.spec
    emitted = set(sample.first.keys())
    for name in sorted(set(spec) ^ emitted):
        declared = name in spec
        found.append(
            Finding(
                "contract",
                name,
                "the groups that the task declares, and no others",
                "a declared group that is never emitted" if declared else "an undeclared group",
                "let _observe() return exactly the groups of the ObservationSpec",
            )
        )
    for name in sorted(set(spec) & emitted):
        group, value = spec[name], sample.first[name]
        shape = (sample.env.num_envs, *group.shape)
        kind = _IMAGE_DTYPES[group.dtype] if group.image else torch.float32
        if tuple(value.shape) != shape or value.dtype != kind:
            found.append(
                Finding(
                    "contract",
                    name,
                    f"{_kind(kind)} of shape {shape}, as its terms declare",
                    f"{_kind(value.dtype)} of shape {tuple(value.shape)}",
                    "make the declared sizes and the tensor agree",
                )
            )
    return found


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def student_groups(sample: Sample) -> list[Finding]:
    """The student of the registry reads sensors only."""
    names = [n for n in sample.spec.obs_groups.get("student", []) if n in sample.env.spec]
    privileged = sample.env.spec.select(names).privileged()
    if not privileged:
        return []
    return [
        Finding(
            "leak",
            ", ".join(privileged),
            "a student that reads deployable groups only",
            f"a task whose student reads {', '.join(privileged)}, which no sensor gives",
            "take these groups out of obs_groups['student'], or mark them deployable if a sensor "
            "does give every term",
        )
    ]


def finite(sample: Sample) -> list[Finding]:
    """Every number is finite."""
    found = []
    for name, values in (sample.vectors | sample.images).items():
        if not values.is_floating_point() or bool(torch.isfinite(values).all()):
            continue
        bad = ~torch.isfinite(values).flatten(2).all(dim=-1)
        where = _terms_where(sample, name, ~torch.isfinite(values))
        found.append(
            Finding(
                "finite",
                where,
                "finite observations",
                f"NaN or Inf in {int(bad.any(dim=0).sum())} of {sample.env.num_envs} worlds",
                "look at divisions and roots in _observe(), and at what a reset leaves undefined",
            )
        )
    return found


def dead_terms(sample: Sample) -> list[Finding]:
    """Every term varies over worlds or time."""
    found, read = [], set(sample.spec.obs_groups.get("student", []))
    for name, values in sample.vectors.items():
        if name not in sample.env.spec or not _fits(sample, name, values):
            continue
        spread = values.flatten(0, 1).amax(dim=0) - values.flatten(0, 1).amin(dim=0)
        for term, where in sample.env.spec[name].slices().items():
            still = int((spread[where] <= _CONSTANT).sum())
            if not still or any(
                fnmatchcase(f"{name}.{term}", one) for one in sample.spec.resting_terms
            ):
                continue
            size = where.stop - where.start
            found.append(
                Finding(
                    "dead term",
                    f"{name}.{term}",
                    "an observation that varies over worlds or time",
                    f"{still} of {size} numbers always {float(values[0, 0, where][0]):.3g}, over "
                    f"{len(values)} steps of {sample.env.num_envs} worlds",
                    "write the term in _observe(), or leave it out if the settings switch it off",
                    _how_bad(still / size, name in read or sample.env.spec[name].deployable),
                )
            )
    return found


def _how_bad(share: float, sensor: bool) -> str:
    """A dead sensor is a fault; single numbers of many may have to be constant (a ray that only
    ever meets the same wall), and what only a teacher reads may be switched off by the settings."""
    if not sensor or share < 0.05:
        return "note"
    return "fault" if share == 1.0 else "warning"


def huge(sample: Sample) -> list[Finding]:
    """Raw numbers are of a size that somebody meant."""
    found = []
    for name, values in sample.vectors.items():
        if name not in sample.env.spec or not _fits(sample, name, values):
            continue
        size = values.nan_to_num().abs().flatten(0, 1).amax(dim=0)
        for term, where in sample.env.spec[name].slices().items():
            if float(size[where].max()) > _HUGE:
                found.append(
                    Finding(
                        "scale",
                        f"{name}.{term}",
                        f"numbers within {_HUGE:g} in the declared unit",
                        f"up to {float(size[where].max()):.3g}",
                        "look at the unit, wrap angles, and clip what can run away",
                        "warning",
                    )
                )
    return found


def cameras(sample: Sample) -> list[Finding]:
    """Images show something, each world something else, and use their range."""
    found = []
    for name, images in sample.images.items():
        if name in sample.env.spec and _fits(sample, name, images):
            found += _camera(sample.env.spec[name], images)
    return found


def _camera(group: ObservationGroup, images: Tensor) -> list[Finding]:
    pixels = images.float().flatten(2)
    spread = pixels.amax(dim=-1) - pixels.amin(dim=-1)
    black = bool((pixels == 0).all())
    blank = float((spread <= _CONSTANT).float().mean())

    def finding(expected: str, found: str, fix: str) -> list[Finding]:
        return [Finding("camera", group.name, expected, found, fix)]

    if black:
        return finding(
            "an image of something",
            "black images (every pixel 0)",
            "render after the reset too; look at lights, the camera's pose, and depth beyond range",
        )
    if blank > 0.5:
        return finding(
            "an image of something",
            f"one value all over in {blank:.0%} of the images",
            "look at the camera's pose and field of view: it may stand inside a geom or look away",
        )
    if group.dtype == "uint8" and float(pixels.max()) <= 1.0:
        return finding(
            "uint8 images from 0 to 255",
            f"values up to {float(pixels.max()):g}",
            "multiply by 255 before the cast to uint8",
        )
    if images.shape[1] > 1 and bool((images == images[:, :1]).all()):
        return finding(
            "each world its own image",
            f"the same image in all {images.shape[1]} worlds",
            "render every world's own state, not the first one's",
        )
    if len(images) > 1 and bool((images == images[:1]).all()):
        return finding(
            "images that change as the world does",
            f"the same images in all {len(images)} steps looked at",
            "render anew after every step, and return a copy of the buffer",
        )
    return []


def _fits(sample: Sample, name: str, values: Tensor) -> bool:
    return tuple(values.shape[2:]) == sample.env.spec[name].shape


def _terms_where(sample: Sample, name: str, bad: Tensor) -> str:
    """The terms of a group in which something holds."""
    if name not in sample.env.spec or sample.env.spec[name].image or not _fits(sample, name, bad):
        return name
    columns = bad.flatten(0, 1).any(dim=0)
    terms = [t for t, w in sample.env.spec[name].slices().items() if bool(columns[w].any())]
    return ", ".join(f"{name}.{term}" for term in terms)


CHECKS = {
    "contract": contract,
    "leak": student_groups,
    "finite": finite,
    "dead term": dead_terms,
    "scale": huge,
    "camera": cameras,
}
