"""What sensors do to raw pixels, on their way from the renderer's buffers into frames.

Each thread has a stretch of ``span`` pixels: one on a GPU, a line on a CPU, where a thread of its
own would cost more than most pixels do. Chance is a hash of a frame's seed and a pixel, so that it
needs no state and is the same on every device.
"""

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

_MIX_1, _MIX_2 = wp.constant(wp.uint32(0x7FEB352D)), wp.constant(wp.uint32(0x846CA68B))
PATCH = 4  # pixels a side of what holes take away together
# Kinks of one over depth by more than this share are edges; depth itself changes fast on a floor
# that is seen at a grazing angle.
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
def _seen(depth: wp.array2d[float], row: int, pixel: int, far: float) -> float:
    z = depth[row, pixel]
    if z <= 0.0:
        z = far
    return z


@wp.func
def _bends(one: float, z: float, other: float) -> bool:
    """Whether 1 / z has a kink between two neighbours: it is linear wherever a plane is seen."""
    return wp.abs(z * (one + other) - 2.0 * one * other) > _EDGE * one * other


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
    here = offset + y * width + x
    z = _seen(depth, row, here, far)
    if x > 0 and x < width - 1:  # noqa: SIM102 - a kernel computes both sides of an and
        if _bends(_seen(depth, row, here - 1, far), z, _seen(depth, row, here + 1, far)):
            return True
    if y > 0 and y < height - 1:
        above = _seen(depth, row, here - width, far)
        return _bends(above, z, _seen(depth, row, here + width, far))
    return False


@wp.func
def _mix(x: wp.uint32) -> wp.uint32:
    """A hash of 32 bits without collisions (lowbias32, found by C. Wellons, 2018)."""
    x = (x ^ (x >> wp.uint32(16))) * _MIX_1
    x = (x ^ (x >> wp.uint32(15))) * _MIX_2
    return x ^ (x >> wp.uint32(16))


@wp.func
def _unit(x: wp.uint32) -> float:
    """A hash as a number in [0, 1)."""
    return float(x >> wp.uint32(8)) * 5.9604645e-8


@wp.func
def _normal(x: wp.uint32) -> float:
    """A hash as a number of mean 0 and deviation 1: the sum of its four bytes, within 3.5.

    Far cheaper than a true Gaussian, whose density it has to a few percent.
    """
    low = (x & wp.uint32(255)) + ((x >> wp.uint32(8)) & wp.uint32(255))
    high = ((x >> wp.uint32(16)) & wp.uint32(255)) + (x >> wp.uint32(24))
    # Bytes have mean 127.5 and variance (256^2 - 1) / 12.
    return (float(low + high) - 510.0) * 0.0067658


@wp.kernel
def expose_depth(
    depth: wp.array2d[float],
    offset: int,
    width: int,
    height: int,
    span: int,
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
    row, stretch = wp.tid()
    w = world[row]
    target = place[row]
    scale = (levels - 1.0) / (far - near)
    dead = sensor[w, ALIVE] == 0.0
    dropout = sensor[w, DROPOUT]
    holes = sensor[w, HOLES]
    edges = sensor[w, EDGES]
    sigma_0 = sensor[w, NOISE]
    sigma_2 = sensor[w, NOISE_SQUARE]
    step = sensor[w, STEP]
    begin = _mix(wp.uint32(seed[row]))
    first = stretch * span
    y = first // width
    patches = (y // PATCH) * width + width * height
    for pixel in range(first, first + span):
        z = depth[row, offset + pixel]
        hit = z > 0.0
        lost = dead
        if noisy and not dead:
            chance = _mix(begin + wp.uint32(pixel))
            x = pixel - y * width
            lost = _unit(chance) < dropout
            if holes > 0.0:
                # Patches are numbered after the pixels, so that the two never share a number.
                lost = lost or _unit(_mix(begin + wp.uint32(patches + x // PATCH))) < holes
            if edges > 0.0 and not lost and _unit(_mix(chance + wp.uint32(1))) < edges:
                lost = _beside_an_edge(depth, row, offset, width, height, x, y, far)
            if hit and not lost:
                sigma = sigma_0 + sigma_2 * z * z
                if sigma > 0.0:
                    z = wp.max(z + sigma * _normal(_mix(chance + wp.uint32(2))), 1.0e-6)
                if step > 0.0:
                    z = step * wp.floor(z / step + 0.5)
        if hole_outside and (not hit or z > far or z < near):
            lost = True
        if not hit:
            z = far
        code = wp.clamp(z, near, far)
        if levels > 0.0:
            code = 1.0 + wp.floor((code - near) * scale + 0.5)
        if lost:
            code = 0.0
        frames[target, pixel] = frames.dtype(code)


@wp.func
def _colour(packed: wp.uint32) -> wp.vec3:
    return wp.vec3(
        float((packed >> wp.uint32(16)) & wp.uint32(255)),
        float((packed >> wp.uint32(8)) & wp.uint32(255)),
        float(packed & wp.uint32(255)),
    )


@wp.func
def _blurred(
    rgb: wp.array2d[wp.uint32],
    row: int,
    offset: int,
    width: int,
    height: int,
    pixel: int,
    blur: float,
) -> wp.vec3:
    """A pixel mixed with its eight neighbours."""
    x = pixel % width
    y = pixel // width
    side = wp.exp(-0.5 / (blur * blur))
    total = float(0.0)  # noqa: UP018 - makes it a variable of the kernel
    mixed = wp.vec3(0.0)
    for i in range(-1, 2):
        for j in range(-1, 2):
            weight = float(1.0)  # noqa: UP018
            if i != 0:
                weight *= side
            if j != 0:
                weight *= side
            column = wp.clamp(x + i, 0, width - 1)
            line = wp.clamp(y + j, 0, height - 1)
            mixed += weight * _colour(rgb[row, offset + line * width + column])
            total += weight
    return mixed / total


@wp.kernel
def expose_rgb(
    rgb: wp.array2d[wp.uint32],
    offset: int,
    width: int,
    height: int,
    span: int,
    noisy: bool,
    world: wp.array[int],
    seed: wp.array[int],
    sensor: wp.array2d[float],
    place: wp.array[int],
    # Out:
    frames: wp.array2d[wp.uint8],
):
    """Packed colours to stored frames, channels first; rows as in :func:`expose_depth`."""
    row, stretch = wp.tid()
    w = world[row]
    target = place[row]
    pixels = width * height
    dead = sensor[w, ALIVE] == 0.0
    blur = sensor[w, BLUR]
    sigma = sensor[w, COLOUR_NOISE]
    begin = _mix(wp.uint32(seed[row]))
    gain = wp.vec3(sensor[w, RED], sensor[w, GREEN], sensor[w, BLUE]) * sensor[w, EXPOSURE]
    for pixel in range(stretch * span, (stretch + 1) * span):
        packed = rgb[row, offset + pixel]
        if noisy:
            colour = _colour(packed)
            if blur > 0.0:
                colour = _blurred(rgb, row, offset, width, height, pixel, blur)
            colour = wp.cw_mul(colour, gain)
            if sigma > 0.0:
                chance = _mix(begin + wp.uint32(pixel))
                for channel in range(3):
                    colour[channel] += sigma * _normal(_mix(chance + wp.uint32(channel + 3)))
            for channel in range(3):
                # The nearest number, not the one below.
                value = wp.clamp(colour[channel] + 0.5, 0.0, 255.0)
                if dead:
                    value = 0.0
                frames[target, channel * pixels + pixel] = wp.uint8(value)
        else:
            for channel in range(3):
                shift = wp.uint32(16 - 8 * channel)
                frames[target, channel * pixels + pixel] = wp.uint8(packed >> shift)


@wp.kernel
def expose_labels(
    segmentation: wp.array2d[wp.vec2i],
    offset: int,
    span: int,
    labels: wp.array[wp.uint8],
    geom_kind: int,
    world: wp.array[int],
    sensor: wp.array2d[float],
    place: wp.array[int],
    # Out:
    frames: wp.array2d[wp.uint8],
):
    """Geoms to the labels of their classes, 0 for none; rows as in :func:`expose_depth`."""
    row, stretch = wp.tid()
    alive = sensor[world[row], ALIVE] != 0.0
    target = place[row]
    for pixel in range(stretch * span, (stretch + 1) * span):
        seen = segmentation[row, offset + pixel]
        label = wp.uint8(0)
        if alive and seen[1] == geom_kind:
            label = labels[seen[0]]
        frames[target, pixel] = label
