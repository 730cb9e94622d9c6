"""Bring RAPTOR's published policy in: ``python scripts/import_raptor.py checkpoint.h5 out_folder``.

``checkpoint.h5`` is part of the package foundation-policy (MIT licence); ``h5py`` reads it. The
bundle it becomes flies, exports and is compared like any other: ``robo-ts trials out_folder``.
"""

import sys

import h5py  # pyright: ignore[reportMissingImports]
import torch

from robo_ts.env import make_env
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig

# Where each of our tensors lies in the file.
_PLACES = {
    "encoder.0.weight": "0/weights",
    "encoder.0.bias": "0/biases",
    "memory.rnn.weight_ih_l0": "1/weights_input",
    "memory.rnn.weight_hh_l0": "1/weights_hidden",
    "memory.rnn.bias_ih_l0": "1/biases_input",
    "memory.rnn.bias_hh_l0": "1/biases_hidden",
    "head.weight": "2/weights",
    "head.bias": "2/biases",
}


def main(checkpoint: str, folder: str) -> None:
    """Convert one file and check it against the example it carries."""
    env = make_env("quadrotor", 1)
    network = PolicyConfig(
        encoder=[16], activation="relu", memory_size=16, normalize=False, action_clip=0.0
    )
    policy = Policy(network, env.spec.select(["proprioception"]), env.num_actions)
    with h5py.File(checkpoint) as file:
        weights = {
            ours: torch.from_numpy(file[f"actor/layers/{theirs}/parameters"][()])
            for ours, theirs in _PLACES.items()
        }
        shapes = policy.state_dict()
        policy.load_state_dict({n: w.float().reshape(shapes[n].shape) for n, w in weights.items()})
        inputs = torch.from_numpy(file["example/input"][()]).float()
        outputs = torch.from_numpy(file["example/output"][()]).float()
    starts = torch.zeros(inputs.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        hidden = policy.initial_state(inputs.shape[1])
        given, _ = policy.sequence({"proprioception": inputs}, hidden, starts)
    error = float((given - outputs).abs().max())
    if error > 1e-4:
        raise RoboTSError("the file's own example", f"actions {error:.1e} away", "update the file")
    PolicyBundle(
        policy=policy,
        task="quadrotor",
        action=env.action_contract(),
        lineage={"kind": "student", "source": "RAPTOR, foundation-policy 1.0.2, MIT licence"},
    ).save(folder)
    print(f"{folder}: equals its example within {error:.1e}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
