"""What sensors do to raw pixels, one thread per pixel, from the renderer's buffers into frames."""

# Warp compiles what is below; to pyright its arrays and vectors are not what they seem.
# pyright: reportIndexIssue=false, reportGeneralTypeIssues=false, reportAssignmentType=false
# pyright: reportAttributeAccessIssue=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportCallIssue=false

from typing import Any

import warp as wp

wp.set_module_options({"enable_backward": False})

# Columns of the table of sensor parameters, one row per world.
ALIVE, NOISE, NOISE_SQUARE, STEP, DROPOUT, HOLES, EDGES = range(7)
EXPOSURE, RED, GREEN, BLUE, COLOUR_NOISE, BLUR = range(7, 13)
COLUMNS = 13

PATCH = 4  # pixels a side of what holes take away together
# Depth steps by more than this share are edges. They are steps of one over depth's slope, because
# depth itself falls steeply on a floor that is seen at a grazing angle.
_EDGE = 0.05


@wp.kernel
def group_roots(
    tree: wp.uint64,
    # Out:
    roots: wp.array[int],
):
    """Root of every group's part of a tree of boxes."""
    group = wp.tid()
    roots[group] = wp.bvh_get_group_root(tree, group)


@wp.func
def _nearness(
    depth: wp.array2d[float],
    row: int,
    offset: int,
    width: int,
    height: int,
    x: int,
    y: int,
    far: float,
) -> float:
    """One over depth, which is linear in the image wherever a plane is seen."""
    column = wp.clamp(x, 0, width - 1)
    line = wp.clamp(y, 0, height - 1)
    z = depth[row, offset + line * width + column]
    if z <= 0.0:
        z = far
    return 1.0 / z


@wp.func
def _beside_an_edge(
    depth: wp.array2d[float],
    row: int,
    offset: int,
    width: int,
    height: int,
    x: int,
    y: int,
    far: float,
) -> bool:
    here = _nearness(depth, row, offset, width, height, x, y, far)
    left = _nearness(depth, row, offset, width, height, x - 1, y, far)
    right = _nearness(depth, row, offset, width, height, x + 1, y, far)
    above = _nearness(depth, row, offset, width, height, x, y - 1, far)
    below = _nearness(depth, row, offset, width, height, x, y + 1, far)
    across = wp.abs(left - 2.0 * here + right)
    along = wp.abs(above - 2.0 * here + below)
    return wp.max(across, along) > _EDGE * here


@wp.kernel
def expose_depth(
    depth: wp.array2d[float],
    offset: int,
    width: int,
    height: int,
    near: float,
    far: float,
    levels: float,
    hole_outside: bool,
    noisy: bool,
    world: wp.array[int],
    seed: wp.array[int],
    sensor: wp.array2d[float],
    place: wp.array[int],
    # Out:
    frames: wp.array2d[Any],
):
    """Depth in metres, 0 for a miss, to a stored frame.

    Row r of ``depth`` belongs to world ``world[r]`` and goes to row ``place[r]`` of ``frames``.
    ``levels`` is the greatest number of an integer frame, 0 for frames in metres.
    """
    row, pixel = wp.tid()
    w = world[row]
    z = depth[row, offset + pixel]
    hit = z > 0.0
    lost = sensor[w, ALIVE] == 0.0
    if noisy and not lost:
        x = pixel % width
        y = pixel // width
        state = wp.rand_init(seed[row], pixel)
        uniform = wp.randf(state)
        lost = uniform < sensor[w, DROPOUT]
        if not lost and sensor[w, HOLES] > 0.0:
            patch = (y // PATCH) * ((width + PATCH - 1) // PATCH) + x // PATCH
            # Patches are numbered after the pixels, so that the two never share a number.
            state_of_patch = wp.rand_init(seed[row], width * height + patch)
            lost = wp.randf(state_of_patch) < sensor[w, HOLES]
        if not lost and sensor[w, EDGES] > 0.0 and wp.randf(state) < sensor[w, EDGES]:
            lost = _beside_an_edge(depth, row, offset, width, height, x, y, far)
        if hit and not lost:
            sigma = sensor[w, NOISE] + sensor[w, NOISE_SQUARE] * z * z
            if sigma > 0.0:
                z = wp.max(z + sigma * wp.randn(state), 1.0e-6)
            step = sensor[w, STEP]
            if step > 0.0:
                z = step * wp.floor(z / step + 0.5)
    outside = not hit or z > far or z < near
    if hole_outside and outside:
        lost = True
    if not hit:
        z = far
    z = wp.clamp(z, near, far)
    code = z
    if levels > 0.0:
        code = 1.0 + wp.floor((z - near) / (far - near) * (levels - 1.0) + 0.5)
    if lost:
        code = 0.0
    frames[place[row], pixel] = frames.dtype(code)


@wp.func
def _colour(
    rgb: wp.array2d[wp.uint32],
    row: int,
    offset: int,
    width: int,
    height: int,
    x: int,
    y: int,
) -> wp.vec3:
    column = wp.clamp(x, 0, width - 1)
    line = wp.clamp(y, 0, height - 1)
    packed = rgb[row, offset + line * width + column]
    return wp.vec3(
        float((packed >> wp.uint32(16)) & wp.uint32(255)),
        float((packed >> wp.uint32(8)) & wp.uint32(255)),
        float(packed & wp.uint32(255)),
    )


@wp.kernel
def expose_rgb(
    rgb: wp.array2d[wp.uint32],
    offset: int,
    width: int,
    height: int,
    noisy: bool,
    world: wp.array[int],
    seed: wp.array[int],
    sensor: wp.array2d[float],
    place: wp.array[int],
    # Out:
    frames: wp.array2d[wp.uint8],
):
    """Packed colours to stored frames, channels first; rows as in :func:`expose_depth`."""
    row, pixel = wp.tid()
    w = world[row]
    x = pixel % width
    y = pixel // width
    colour = _colour(rgb, row, offset, width, height, x, y)
    if noisy:
        blur = sensor[w, BLUR]
        if blur > 0.0:
            side = wp.exp(-0.5 / (blur * blur))
            total = float(0.0)  # noqa: UP018 - makes it a variable of the kernel
            mixed = wp.vec3(0.0)
            for i in range(-1, 2):
                for j in range(-1, 2):
                    weight = wp.pow(side, float(i * i + j * j))
                    seen = _colour(rgb, row, offset, width, height, x + i, y + j)
                    mixed += weight * seen
                    total += weight
            colour = mixed / total
        gain = wp.vec3(sensor[w, RED], sensor[w, GREEN], sensor[w, BLUE]) * sensor[w, EXPOSURE]
        colour = wp.cw_mul(colour, gain)
        sigma = sensor[w, COLOUR_NOISE]
        if sigma > 0.0:
            state = wp.rand_init(seed[row], pixel)
            noise = wp.vec3(wp.randn(state), wp.randn(state), wp.randn(state))
            colour += sigma * noise
        colour += wp.vec3(0.5)  # the nearest number, not the one below
        if sensor[w, ALIVE] == 0.0:
            colour = wp.vec3(0.0)
    pixels = width * height
    target = place[row]
    for channel in range(3):
        value = wp.clamp(colour[channel], 0.0, 255.0)
        frames[target, channel * pixels + pixel] = wp.uint8(value)


@wp.kernel
def expose_labels(
    segmentation: wp.array2d[wp.vec2i],
    offset: int,
    labels: wp.array[wp.uint8],
    geom_kind: int,
    world: wp.array[int],
    sensor: wp.array2d[float],
    place: wp.array[int],
    # Out:
    frames: wp.array2d[wp.uint8],
):
    """Geoms to the labels of their classes, 0 for none; rows as in :func:`expose_depth`."""
    row, pixel = wp.tid()
    seen = segmentation[row, offset + pixel]
    label = wp.uint8(0)
    if seen[1] == geom_kind and sensor[world[row], ALIVE] != 0.0:
        label = labels[seen[0]]
    frames[place[row], pixel] = label
