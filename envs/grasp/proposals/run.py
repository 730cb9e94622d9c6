"""The stages in order: synthesise, close, try, train, measure. What is done is not done again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from robo_ts.envs.grasp.hands import get_hand
from robo_ts.envs.grasp.objects.object_set import ObjectSet, generated
from robo_ts.envs.grasp.proposals.compare import kinds_compared
from robo_ts.envs.grasp.proposals.config import ProposalsConfig
from robo_ts.envs.grasp.proposals.fields import Fields, make_fields
from robo_ts.envs.grasp.proposals.grasps import Grasps, load_grasps, save_grasps, together
from robo_ts.envs.grasp.proposals.hand_shape import HandShape
from robo_ts.envs.grasp.proposals.kinematics import Kinematics
from robo_ts.envs.grasp.proposals.model import ProposalModel
from robo_ts.envs.grasp.proposals.quality import Measured, measure, summary
from robo_ts.envs.grasp.proposals.synthesis import synthesise
from robo_ts.envs.grasp.proposals.training import densities, train
from robo_ts.envs.grasp.proposals.trial import Trial, Verdict
from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path, read_json, write_json
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig

_KEPT_OUT = 10  # every so many valid grasps one is kept from training


def run(config: ProposalsConfig, folder: Path, engine: EngineConfig | None = None) -> dict:
    """All stages in ``folder``; the figures.

    Raises:
        RoboTSError: when the folder holds a run with other settings, or nothing held.
    """
    _same_settings(config, folder)
    engine = engine or EngineConfig()
    shape = HandShape(Kinematics(get_hand(config.hand)))
    objects = generated(config.objects, families=config.families)
    fields = _fields(folder / "fields.safetensors", objects, config.resolution)
    rounds = [
        _round(k, config, folder, shape, objects, fields, engine) for k in range(config.rounds)
    ]
    grasps = together([one for one, _, _ in rounds])
    measured = Measured.together([one for _, one, _ in rounds])
    good = grasps.rows(measured.verdict.valid)
    save_grasps(folder / "valid.safetensors", good, _about(config, objects))
    kept_out = torch.arange(len(good)) % _KEPT_OUT == _KEPT_OUT - 1
    model = _model(config, folder, shape, objects, good.rows(~kept_out))
    unseen = generated(config.unseen, "instance", families=config.families)
    figures = {
        "config": asdict(config),
        "objects": [str(name) for name in objects.names],
        "synthesised": summary(shape, grasps, measured)
        | {"energy_median": _medians([terms for _, _, terms in rounds])},
        "valid_per_object": _per_object(objects, grasps, measured.verdict),
        "log_density": {
            "trained_on": densities(model, objects, good.rows(~kept_out)),
            "kept_out": densities(model, objects, good.rows(kept_out)),
        },
        "unseen_objects": [str(name) for name in unseen.names],
        "unseen": _unseen(config, folder, shape, unseen, model, good, engine),
    }
    write_json(folder / "figures.json", figures)
    return figures


def _round(
    number: int,
    config: ProposalsConfig,
    folder: Path,
    shape: HandShape,
    objects: ObjectSet,
    fields: Fields,
    engine: EngineConfig,
) -> tuple[Grasps, Measured, dict[str, Tensor]]:
    """Grasps of one round, what they are worth, and the terms of their energy."""
    made, tried = folder / f"made-{number}.safetensors", folder / f"tried-{number}.safetensors"
    about = _about(config, objects)
    if not made.is_file():
        rng = torch.Generator().manual_seed(derive(config.seed, "synthesise", number))
        label = f"synthesise {number + 1}/{config.rounds}"
        grasps, terms = synthesise(
            shape, fields, objects, config.each, config.synthesis, rng, label
        )
        save_grasps(made, grasps, about, **terms)
    grasps, _, terms = load_grasps(made)
    if not tried.is_file():
        trial = Trial(shape, objects, fields, config.trial, engine=engine)
        grasps = trial.close(grasps)
        measured = measure(shape, fields, grasps, trial.run(grasps))
        save_grasps(tried, grasps, about, **measured.tensors())
    grasps, _, found = load_grasps(tried)
    return grasps, Measured.from_tensors(found), terms


def _model(
    config: ProposalsConfig, folder: Path, shape: HandShape, objects: ObjectSet, good: Grasps
) -> ProposalModel:
    path = folder / "model.safetensors"
    if not path.is_file():
        rng = torch.Generator().manual_seed(derive(config.seed, "train"))
        train(shape, objects, good, config.model, rng).save(path)
    return ProposalModel.load(path)


def _unseen(
    config: ProposalsConfig,
    folder: Path,
    shape: HandShape,
    unseen: ObjectSet,
    model: ProposalModel,
    good: Grasps,
    engine: EngineConfig,
) -> dict[str, Any]:
    """Figures of every kind of grasp on unseen objects."""
    fields = _fields(folder / "fields-unseen.safetensors", unseen, config.resolution)
    trial = Trial(shape, unseen, fields, config.trial, engine=engine)
    rng = torch.Generator().manual_seed(derive(config.seed, "unseen"))
    kinds = kinds_compared(model, shape, fields, unseen, good, config, rng)
    found = {}
    for name, make in kinds.items():
        path = folder / f"unseen-{name}.json"
        if not path.is_file():
            grasps = make()
            verdict = trial.run(grasps, f"try {name}")
            write_json(path, summary(shape, grasps, measure(shape, fields, grasps, verdict)))
        found[name] = read_json(path)
    return found


def _fields(path: Path, objects: ObjectSet, resolution: int) -> Fields:
    if not path.is_file():
        with atomic_path(path) as partial:
            save_file(vars(make_fields(objects, resolution)), partial)
    return Fields(**load_file(path))


def _same_settings(config: ProposalsConfig, folder: Path) -> None:
    path, own = folder / "config.json", json.loads(json.dumps(asdict(config)))
    if path.is_file() and read_json(path) != own:
        raise RoboTSError(
            f"the settings that {folder} was begun with",
            "others",
            "name another folder, or delete this one",
        )
    write_json(path, own)


def _about(config: ProposalsConfig, objects: ObjectSet) -> dict[str, Any]:
    return {
        "hand": config.hand,
        "seed": config.seed,
        "objects": [str(name) for name in objects.names],
    }


def _medians(rounds: list[dict[str, Tensor]]) -> dict[str, float]:
    return {name: float(torch.cat([r[name] for r in rounds]).median()) for name in rounds[0]}


def _per_object(objects: ObjectSet, grasps: Grasps, verdict: Verdict) -> dict[str, str]:
    """How many of how many are valid."""
    found = {}
    for index, name in enumerate(objects.names):
        rows = verdict.valid[grasps.ids == index]
        found[str(name)] = f"{int(rows.sum())} of {len(rows)}"
    return found
