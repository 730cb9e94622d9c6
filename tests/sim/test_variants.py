"""A different object per world behaves bit for bit like a model that holds this object only."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
import torch

from robo_ts.errors import RoboTSError
from robo_ts.sim import EngineConfig, make_sim
from robo_ts.sim.variants import Variants, VariantTable, add_library, make_table

SLOTS, WORLDS = 3, 8
Objects = list[list[np.ndarray]]


def some_objects(count: int = 6) -> Objects:
    """Heaps of one to three random hulls."""
    rng = np.random.default_rng(0)
    return [
        [
            0.03 * rng.normal(size=(int(rng.integers(6, 30)), 3)) + 0.02 * rng.normal(size=3)
            for _ in range(1 + index % SLOTS)
        ]
        for index in range(count)
    ]


def scene(objects: Objects) -> mujoco.MjModel:
    """A body that falls on a sloping plane beside a swinging arm."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = 0.005
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1], quat=[1.0, 0.02, 0.01, 0.0]
    )
    arm = spec.worldbody.add_body(name="arm", pos=[0.0, 0.0, 0.06])
    arm.add_joint(name="swing", type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 0, 1], damping=0.01)
    arm.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=[0.015], fromto=[0, 0, 0, 0.15, 0, 0], mass=0.2
    )
    body = spec.worldbody.add_body(name="thing", pos=[0.1, 0.02, 0.15])
    body.add_freejoint()
    add_library(spec, body, objects, SLOTS, friction=[0.7, 0.005, 0.0001])
    return spec.compile()


def alone(objects: Objects, index: int, density: float) -> mujoco.MjModel:
    """The same scene with one object, compiled the usual way."""
    model = scene(objects)
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = 0.005
    spec.option.disableflags = model.opt.disableflags
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1], quat=[1.0, 0.02, 0.01, 0.0]
    )
    arm = spec.worldbody.add_body(name="arm", pos=[0.0, 0.0, 0.06])
    arm.add_joint(name="swing", type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 0, 1], damping=0.01)
    arm.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE, size=[0.015], fromto=[0, 0, 0, 0.15, 0, 0], mass=0.2
    )
    body = spec.worldbody.add_body(name="thing", pos=[0.1, 0.02, 0.15])
    body.add_freejoint()
    for number, points in enumerate(objects[index]):
        spec.add_mesh(
            name=f"piece_{number}",
            uservert=points.astype(np.float32).ravel(),
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX,
        )
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=f"piece_{number}",
            density=density,
            friction=[0.7, 0.005, 0.0001],
        )
    return spec.compile()


@pytest.fixture(scope="module")
def library() -> tuple[Objects, VariantTable, mujoco.MjModel]:
    objects = some_objects()
    return objects, make_table(objects, SLOTS), scene(objects)


@pytest.mark.parametrize("density", [1.0, 512.0])
def test_a_world_behaves_bit_for_bit_like_a_model_with_its_object_only(
    library: tuple[Objects, VariantTable, mujoco.MjModel], density: float
) -> None:
    objects, table, model = library
    variants = Variants(model, "thing", table)
    sim = make_sim(model, WORLDS, EngineConfig(threads=2), expand=variants.fields)
    everything = torch.arange(WORLDS)
    # Twice: what an object leaves behind must not show in the next.
    variants.assign(sim, everything, (everything + 3) % len(objects), 700.0)
    variants.assign(sim, everything, everything % len(objects), density)
    sim.reset()
    state = torch.zeros(WORLDS, 7)
    state[:, 0] = 4.0
    sim.write("qvel", state)
    sim.step(300)
    touched = 0
    for world in range(WORLDS):
        single = alone(objects, world % len(objects), density)
        data = mujoco.MjData(single)
        data.qvel[0] = 4.0
        for _ in range(300):
            mujoco.mj_step(single, data)
            touched += data.ncon > 0
        np.testing.assert_array_equal(sim._bind("qpos")[world], data.qpos)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(sim._bind("qvel")[world], data.qvel)  # type: ignore[attr-defined]
    assert touched > 100 * WORLDS
    sim.close()


def test_rays_meet_the_object_a_world_shows(
    library: tuple[Objects, VariantTable, mujoco.MjModel],
) -> None:
    objects, table, model = library
    variants = Variants(model, "thing", table)
    sim = make_sim(model, WORLDS, EngineConfig(threads=1), expand=variants.fields)
    everything = torch.arange(WORLDS)
    variants.assign(sim, everything, everything % len(objects), 400.0)
    sim.reset()
    hits = 0
    for world in range(WORLDS):
        own = sim.world(world)
        single = alone(objects, world % len(objects), 400.0)
        other = (single, mujoco.MjData(single))
        mujoco.mj_forward(*other)
        geom = np.zeros(1, np.int32)
        for y in np.linspace(-0.05, 0.1, 9):
            ray = (np.array([0.1, y, 0.5]), np.array([0.0, 0.0, -1.0]))
            found = [
                mujoco.mj_ray(m, d, *ray, np.array([1] * 5 + [0], np.uint8), 1, -1, geom)
                for m, d in (own, other)
            ]
            assert found[0] == found[1]
            hits += 0.0 < found[0] < 0.45
    assert hits > WORLDS
    sim.close()


def test_a_loaded_state_keeps_the_objects(
    library: tuple[Objects, VariantTable, mujoco.MjModel],
) -> None:
    _, table, model = library
    variants = Variants(model, "thing", table)
    sims = [make_sim(model, 4, EngineConfig(threads=1), expand=variants.fields) for _ in range(2)]
    variants.assign(sims[0], torch.arange(4), torch.tensor([5, 0, 2, 1]), 300.0)
    sims[0].reset()
    sims[1].load_state_dict(sims[0].state_dict())
    for sim in sims:
        sim.step(200)
    assert torch.equal(sims[0].read("qpos"), sims[1].read("qpos"))
    for sim in sims:
        sim.close()


def test_only_the_named_worlds_change_their_object(
    library: tuple[Objects, VariantTable, mujoco.MjModel],
) -> None:
    _, table, model = library
    variants = Variants(model, "thing", table)
    sim = make_sim(model, 4, EngineConfig(threads=1), expand=variants.fields)
    variants.assign(sim, torch.arange(4), torch.tensor([0, 1, 2, 3]), 300.0)
    before = {name: sim.read(name).clone() for name in variants.fields}
    variants.assign(sim, torch.tensor([2]), torch.tensor([4]), 300.0)
    for name, old in before.items():
        new = sim.read(name)
        assert torch.equal(new[[0, 1, 3]], old[[0, 1, 3]])
    assert not torch.equal(sim.read("geom_dataid")[2], before["geom_dataid"][2])
    sim.close()


def test_the_warp_engine_shows_the_same_objects(
    library: tuple[Objects, VariantTable, mujoco.MjModel],
) -> None:
    objects, table, model = library
    sims = []
    for engine in (EngineConfig(threads=1), EngineConfig("warp", device="cpu")):
        variants = Variants(model, "thing", table, engine.name)
        sim = make_sim(model, WORLDS, engine, expand=variants.fields)
        ids = torch.arange(WORLDS)
        variants.assign(sim, ids, ids % len(objects), 400.0)
        sim.reset()
        sims.append(sim)
    for _ in range(8):
        for sim in sims:
            sim.step(5)
    found = [sim.read("qpos") for sim in sims]
    # All have met the plane or are about to; rounding alone tells the engines apart.
    assert float((found[0] - found[1]).abs().max()) < 2e-3
    assert float((found[0][:, 1:4] - found[0][:, 1:4].mean(dim=0)).abs().max()) > 5e-3
    for sim in sims:
        sim.close()


def test_an_object_with_too_many_pieces_is_refused() -> None:
    pieces = [0.1 * np.random.default_rng(1).normal(size=(8, 3)) for _ in range(SLOTS + 1)]
    with pytest.raises(RoboTSError, match="1 to 3 convex pieces"):
        make_table([pieces], SLOTS)


def test_a_flat_piece_is_refused() -> None:
    with pytest.raises(RoboTSError, match="with a volume"):
        make_table([[np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.0]])]], SLOTS)


def test_a_library_of_other_objects_is_refused(
    library: tuple[Objects, VariantTable, mujoco.MjModel],
) -> None:
    _, table, model = library
    with pytest.raises(RoboTSError, match="give add_library the same objects"):
        Variants(model, "thing", table.select(np.array([0, 1])))
