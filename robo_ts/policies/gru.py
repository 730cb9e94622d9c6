"""One GRU layer over whole sequences on a CPU, with resets inside them and its own gradient.

torch's fused layer knows no resets, so that sequences would have to be cut at them and padded; its
gradient on a CPU is a chain of small nodes per step. Here a step is a handful of calls into
buffers that are allocated once, and everything that need not be done step by step is one matrix
product over all steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def gru_sequence(rnn: nn.GRU, x: Tensor, hidden: Tensor, starts: Tensor) -> Tensor:
    """Outputs of a GRU of one layer.

    Args:
        rnn: its weights.
        x: ``(time, num, input_size)``.
        hidden: state before the first step, ``(num, size)``; no gradient flows into it.
        starts: ``(time, num)`` bool; where true, the state is cleared before that step.

    Returns:
        ``(time, num, size)``.
    """
    weights = (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0)
    return _GruSequence.apply(x, hidden, starts, *weights)  # type: ignore[no-any-return]


def can_run(rnn: nn.Module, x: Tensor, hidden: Tensor) -> bool:
    """Whether :func:`gru_sequence` stands for the fused layer here."""
    return (
        isinstance(rnn, nn.GRU)
        and rnn.num_layers == 1
        and x.device.type == "cpu"
        and x.dtype == hidden.dtype == rnn.weight_ih_l0.dtype
        and not hidden.requires_grad
        and not torch.is_autocast_enabled("cpu")
    )


class _GruSequence(torch.autograd.Function):
    """With gates r (reset), z (update) and candidate n, in torch's notation:

    r, z = sigmoid(W x + b + U h + c); n = tanh(W x + b + r (U h + c)); h' = (1 - z) n + z h.

    tanh(a) is computed as 2 sigmoid(2 a) - 1, which is three times faster; ``W``, ``b``, ``U`` and
    ``c`` of the candidate are doubled for it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        hidden: Tensor,
        starts: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
    ) -> Tensor:
        time, num, _ = x.shape
        size = hidden.shape[1]
        flat, two = x.reshape(time * num, -1), 2 * size
        gates = torch.addmm(b_ih[:two] + b_hh[:two], flat, w_ih[:two].t()).view(time, num, two)
        candidate = torch.addmm(2.0 * b_ih[two:], flat, 2.0 * w_ih[two:].t()).view(time, num, size)
        recurrent, out = torch.empty_like(candidate), torch.empty_like(candidate)
        u_gates, u_candidate = w_hh[:two].t().contiguous(), 2.0 * w_hh[two:].t().contiguous()
        c, minus_one = 2.0 * b_hh[two:], x.new_tensor(-1.0)
        begins = starts.any(dim=1).tolist()
        h = hidden
        rows = zip(
            begins,
            starts.unbind(),
            gates.unbind(),
            gates[..., :size].unbind(),
            gates[..., size:].unbind(),
            candidate.unbind(),
            recurrent.unbind(),
            out.unbind(),
            strict=True,
        )
        for any_begins, start, gate, r, z, n, inner, result in rows:
            if any_begins:
                h = h.masked_fill(start[:, None], 0.0)
            gate.addmm_(h, u_gates).sigmoid_()
            torch.addmm(c, h, u_candidate, out=inner)
            torch.add(minus_one, n.addcmul_(r, inner).sigmoid_(), alpha=2.0, out=n)
            h = torch.lerp(n, h, z, out=result)
        ctx.begins = begins
        ctx.save_for_backward(x, hidden, starts, w_ih, w_hh, gates, candidate, recurrent, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, hidden, starts, w_ih, w_hh, gates, n, recurrent, out = ctx.saved_tensors
        time, num, size = out.shape
        two = 2 * size
        r, z = gates[..., :size], gates[..., size:]
        before = torch.cat([hidden[None], out[:-1]]).masked_fill_(starts[..., None], 0.0)
        # What the gradient of a step's state is multiplied by on its way to the state before, to
        # the candidate's and to the update gate's sums, and what the candidate's is multiplied by
        # on its way to the reset gate's and to its recurrent part's.
        leak = z.contiguous()
        to_n = (1.0 - leak).mul_(1.0 - n * n)
        to_z = (before - n).mul_(leak).mul_(1.0 - leak)
        on = torch.empty(time, num, 2, size, dtype=out.dtype)
        on[..., 1, :] = r
        torch.mul(0.5 * recurrent, r, out=on[..., 0, :]).mul_(1.0 - r)

        # Columns r, n's recurrent part, z.
        d_sums = torch.empty(time, num, 3, size, dtype=out.dtype)
        d_n = torch.empty_like(n)
        u = torch.cat([w_hh[:size], w_hh[two:], w_hh[size:two]])
        dh, total = torch.zeros_like(hidden), torch.empty_like(hidden)
        rows = list(
            zip(
                ctx.begins,
                starts.unbind(),
                grad.unbind(),
                leak.unbind(),
                to_n.unbind(),
                to_z.unbind(),
                on.unbind(),
                d_n.unbind(),
                d_n.unsqueeze(2).unbind(),
                d_sums.view(time, num, -1).unbind(),
                d_sums[..., :2, :].unbind(),
                d_sums[..., 2, :].unbind(),
                strict=True,
            )
        )
        for any_begins, start, given, stay, fn, fz, fon, dn, dn_wide, ds, drn, dz in reversed(rows):
            torch.add(dh, given, out=total)
            torch.mul(total, fn, out=dn)
            torch.mul(total, fz, out=dz)
            torch.mul(dn_wide, fon, out=drn)
            torch.mul(total, stay, out=dh).addmm_(ds, u)
            if any_begins:
                dh.masked_fill_(start[:, None], 0.0)

        flat, states = x.reshape(time * num, -1), before.view(time * num, size)
        d_n, d_sums = d_n.view(-1, size), d_sums.view(-1, 3 * size)
        dw_hh, db_hh = d_sums.t() @ states, d_sums.sum(dim=0)
        db_ih = torch.cat([db_hh[:size], db_hh[two:], d_n.sum(dim=0)])
        d_gates = torch.cat([d_sums[:, :size], d_sums[:, two:], d_n], dim=1)
        dx = (d_gates @ w_ih).view_as(x) if ctx.needs_input_grad[0] else None
        order = (slice(0, size), slice(two, 3 * size), slice(size, two))
        dw_hh, db_hh = (torch.cat([value[part] for part in order]) for value in (dw_hh, db_hh))
        return dx, None, None, d_gates.t() @ flat, dw_hh, db_ih, db_hh
