"""Grasp proposals: synthesise grasps, try them in simulation, learn to propose them.

The first stage of UniDexGrasp (Xu et al. 2023, arXiv 2303.00938) on this task's hands and objects.
``goals.py`` brings its grasps to the task; the rest is run by ``scripts/grasp_proposals.py``.
"""
