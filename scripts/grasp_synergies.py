"""Find a hand's grasp synergies: ``python scripts/grasp_synergies.py allegro``.

Writes ``synergies.json`` beside the hand's model.
"""

import argparse

from robo_ts.envs.grasp.hands import get_hand
from robo_ts.envs.grasp.synergies import collect_grasps, synergy_data
from robo_ts.files import write_json
from robo_ts.paths import ASSET_DIR


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hand")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--num-envs", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    hand = get_hand(words.hand)
    grasps, opened, actuators = collect_grasps(
        words.hand, words.rounds, words.num_envs, seed=words.seed
    )
    data = synergy_data(words.hand, actuators, grasps, opened)
    path = ASSET_DIR / hand.synergies
    write_json(path, data)
    print(f"{len(grasps)} grasps, explained {data['explained']}, written to {path}")


if __name__ == "__main__":
    main()
