"""A policy as one C header that needs nothing but libm, with its golden trace inside."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from robo_ts.errors import RoboTSError
from robo_ts.export.contract import GOLDEN_FILE
from robo_ts.files import atomic_path
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.policies.normalizer import Normalizer

HEADER_FILE = "policy.h"
_ACTIVATIONS = {
    nn.ReLU: "x > 0.0f ? x : 0.0f",
    nn.ELU: "x > 0.0f ? x : expm1f(x)",
    nn.Tanh: "tanhf(x)",
    nn.SiLU: "x / (1.0f + expf(-x))",
}


@dataclass
class _Code:
    """The parts of the header as they are gathered."""

    constants: list[str]
    steps: list[str]
    widest: int = 1


def write_c_header(bundle: PolicyBundle, folder: str | Path) -> Path:
    """Write ``policy.h`` beside ``golden.npz``, whose first world becomes its golden trace.

    The header is C99 and C++: ``policy_reset(&state)``, ``policy_step(&state, observation,
    action)`` and ``policy_check()``, which flies the golden trace and returns the greatest
    difference from torch. It allocates nothing; the state is a few hundred bytes.

    Args:
        bundle: the policy; without memory or with one GRU layer, reading vectors only.
        folder: the export's folder.

    Returns:
        The path of the header.

    Raises:
        RoboTSError: for a policy that C code is not generated for, or a folder without the trace.
    """
    policy = copy.deepcopy(bundle.policy).cpu().eval()
    _check(policy)
    golden = Path(folder) / GOLDEN_FILE
    if not golden.is_file():
        raise RoboTSError(f"a golden trace {golden}", "none", "export the bundle first")
    path = Path(folder) / HEADER_FILE
    with atomic_path(path) as temporary:
        temporary.write_text(_header(bundle, policy, golden))
    return path


def fits_c(policy: Policy) -> bool:
    """Whether :func:`write_c_header` knows how to write it."""
    memory = policy.memory
    one_gru = memory is None or (memory.kind == "gru" and memory.layers == 1)
    eyes = len(policy.images) + len(policy.points)
    return type(policy) is Policy and one_gru and not eyes


def _check(policy: Policy) -> None:
    if not fits_c(policy):
        found = f"{type(policy).__name__} with memory {policy.config.memory}"
        raise RoboTSError(
            "a plain policy of vectors, without memory or with one GRU layer, for a C header",
            f"{found}, {policy.config.memory_layers} layers, {len(policy.images)} cameras",
            "use the ONNX file",
        )


def _header(bundle: PolicyBundle, policy: Policy, golden: Path) -> str:
    code = _Code([], [])
    size = policy.memory.size if policy.memory is not None else 0
    _network(code, policy)
    with np.load(golden, allow_pickle=False) as trace:
        _trace(code, trace["observations"][:, 0], trace["actions"][:, 0], trace["starts"][:, 0])
    terms = [
        f" *   {name}: {group.terms[i].name}, {group.terms[i].size}"
        for name, group in policy.spec.items()
        for i in range(len(group.terms))
    ]
    names = ", ".join(bundle.action.get("names", []))
    return "\n".join(
        [
            f"/* Policy for {bundle.task}, {policy.num_parameters()} parameters; made by robo_ts.",
            f" * Policy {bundle.digest()}. Observation, in this order:",
            *terms,
            f" * Action: {names} ({bundle.action.get('meaning', '')}).",
            " */",
            "#ifndef ROBO_TS_POLICY_H",
            "#define ROBO_TS_POLICY_H",
            "#include <math.h>",
            "",
            f"#define POLICY_OBSERVATIONS {policy.spec.size()}",
            f"#define POLICY_ACTIONS {policy.num_actions}",
            f"#define POLICY_STATE {max(size, 1)}",
            "",
            "typedef struct {",
            "    float hidden[POLICY_STATE];",
            "} policy_state;",
            "",
            *_reset(policy),
            *_LINEAR,
            *code.constants,
            "static inline void policy_step(policy_state *state, const float *observation,",
            "                               float *action) {",
            f"    float a[{code.widest}], b[{code.widest}];",
            "    float *in = a, *out = b, *swap;",
            "    int i;",
            "    (void)state;",
            "    (void)swap;",
            *[f"    {line}" for line in code.steps],
            "}",
            "",
            *_CHECK,
            "#endif",
            "",
        ]
    )


def _reset(policy: Policy) -> list[str]:
    """What an episode begins with."""
    learnt = policy.memory is not None and policy.memory.start is not None
    code = _Code([], [])
    if learnt:
        _array(code, "policy_initial", policy.initial_state(1)[0])
    value = "policy_initial[i]" if learnt else "0.0f"
    return [
        *code.constants,
        "static inline void policy_reset(policy_state *state) {",
        "    int i;",
        f"    for (i = 0; i < POLICY_STATE; i++) state->hidden[i] = {value};",
        "}",
        "",
    ]


def _network(code: _Code, policy: Policy) -> None:
    size = policy.spec.size()
    code.widest = max(code.widest, size)
    if isinstance(policy.normalizer, Normalizer):
        _array(code, "policy_mean", policy.normalizer.mean)
        _array(code, "policy_scale", policy.normalizer.scale)
        code.steps.append(
            f"for (i = 0; i < {size}; i++) "
            "in[i] = (observation[i] - policy_mean[i]) / policy_scale[i];"
        )
    else:
        code.steps.append(f"for (i = 0; i < {size}; i++) in[i] = observation[i];")
    _dense(code, "policy_encoder", policy.encoder)
    if policy.memory is not None:
        _memory(code, policy.memory.rnn)
    _dense(code, "policy_decoder", policy.decoder)
    _linear(code, "policy_head", policy.head)
    if policy.base is not None:
        begin, one = policy.base.start, policy.base.stop - policy.base.start == 1
        index = str(begin) if one else f"{begin} + i"
        code.steps.append(f"for (i = 0; i < POLICY_ACTIONS; i++) in[i] += observation[{index}];")
    clip = policy.config.action_clip
    value = f"fminf(fmaxf(in[i], {_number(-clip)}), {_number(clip)})" if clip else "in[i]"
    code.steps.append(f"for (i = 0; i < POLICY_ACTIONS; i++) action[i] = {value};")


def _dense(code: _Code, name: str, layers: nn.Sequential) -> None:
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Linear):
            _linear(code, f"{name}_{index}", layer)
        else:
            formula = _ACTIVATIONS[type(layer)]
            width = _width(layers, index)
            code.steps.append(
                f"for (i = 0; i < {width}; i++) {{ const float x = in[i]; in[i] = {formula}; }}"
            )


def _width(layers: nn.Sequential, index: int) -> int:
    layer = layers[index - 1]
    assert isinstance(layer, nn.Linear)
    return layer.out_features


def _linear(code: _Code, name: str, layer: nn.Linear) -> None:
    _array(code, f"{name}_w", layer.weight)
    _array(code, f"{name}_b", layer.bias)
    code.widest = max(code.widest, layer.out_features, layer.in_features)
    code.steps.append(
        f"policy_linear({name}_w, {name}_b, in, out, {layer.in_features}, {layer.out_features});"
    )
    code.steps.append("swap = in; in = out; out = swap;")


def _memory(code: _Code, rnn: nn.Module) -> None:
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        _array(code, f"policy_gru_{name}", getattr(rnn, name))
    size, wide = int(rnn.hidden_size), int(rnn.input_size)  # type: ignore[arg-type]
    code.widest = max(code.widest, size)
    code.steps.append(f"policy_gru(state, in, {wide});")
    code.steps.append(f"for (i = 0; i < {size}; i++) in[i] = state->hidden[i];")
    code.constants += [
        "/* r, z = sigmoid(W x + b + U h + c); n = tanh(W x + b + r (U h + c));",
        " * h' = (1 - z) n + z h. */",
        "static inline void policy_gru(policy_state *state, const float *x, int inputs) {",
        f"    float given[{3 * size}], kept[{3 * size}];",
        "    int i;",
        "    policy_linear(policy_gru_weight_ih_l0, policy_gru_bias_ih_l0, x, given, inputs, "
        f"{3 * size});",
        "    policy_linear(policy_gru_weight_hh_l0, policy_gru_bias_hh_l0, state->hidden, kept, "
        f"{size}, {3 * size});",
        f"    for (i = 0; i < {size}; i++) {{",
        "        const float r = 1.0f / (1.0f + expf(-(given[i] + kept[i])));",
        f"        const float z = 1.0f / (1.0f + expf(-(given[{size} + i] + kept[{size} + i])));",
        f"        const float n = tanhf(given[{2 * size} + i] + r * kept[{2 * size} + i]);",
        "        state->hidden[i] = (1.0f - z) * n + z * state->hidden[i];",
        "    }",
        "}",
        "",
    ]


def _trace(code: _Code, observations: np.ndarray, actions: np.ndarray, starts: np.ndarray) -> None:
    code.constants.append(f"#define POLICY_GOLDEN_STEPS {len(observations)}")
    _array(code, "policy_golden_observations", torch.from_numpy(observations))
    _array(code, "policy_golden_actions", torch.from_numpy(actions))
    flags = ", ".join(str(int(x)) for x in starts)
    code.constants += [f"static const unsigned char policy_golden_starts[] = {{{flags}}};", ""]


def _array(code: _Code, name: str, value: Tensor) -> None:
    numbers = value.detach().float().flatten().tolist()
    code.constants.append(f"static const float {name}[{len(numbers)}] = {{")
    code.constants += [f"    {line}," for line in _lines(numbers)]
    code.constants += ["};", ""]


def _lines(numbers: list[float]) -> Iterator[str]:
    for begin in range(0, len(numbers), 8):
        yield ", ".join(_number(x) for x in numbers[begin : begin + 8])


def _number(value: float) -> str:
    """Nine digits tell every float32 apart."""
    text = f"{value:.9g}"
    return f"{text}f" if any(c in text for c in ".en") else f"{text}.0f"


_LINEAR = [
    "static inline void policy_linear(const float *w, const float *b, const float *x, float *y,",
    "                                 int inputs, int outputs) {",
    "    int i, j;",
    "    for (i = 0; i < outputs; i++) {",
    "        float sum = b[i];",
    "        for (j = 0; j < inputs; j++) sum += w[i * inputs + j] * x[j];",
    "        y[i] = sum;",
    "    }",
    "}",
    "",
]
_CHECK = [
    "/* The greatest difference from torch over the golden trace. */",
    "static inline float policy_check(void) {",
    "    policy_state state;",
    "    float action[POLICY_ACTIONS], worst = 0.0f;",
    "    int t, i;",
    "    for (t = 0; t < POLICY_GOLDEN_STEPS; t++) {",
    "        if (policy_golden_starts[t]) policy_reset(&state);",
    "        policy_step(&state, policy_golden_observations + t * POLICY_OBSERVATIONS, action);",
    "        for (i = 0; i < POLICY_ACTIONS; i++) {",
    "            const float torch = policy_golden_actions[t * POLICY_ACTIONS + i];",
    "            const float off = fabsf(action[i] - torch);",
    "            if (!(off <= worst) && worst == worst) worst = off; /* a NaN stays */",
    "        }",
    "    }",
    "    return worst;",
    "}",
    "",
]
