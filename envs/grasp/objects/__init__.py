"""The objects that are grasped: a generator, sets of objects, and a user's own meshes."""
