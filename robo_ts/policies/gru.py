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


def gru_sequence(
    rnn: nn.GRU, x: Tensor, hidden: Tensor, starts: Tensor, first: Tensor | None = None
) -> Tensor:
    """Outputs of a GRU of one layer.

    Args:
        rnn: its weights.
        x: ``(time, num, input_size)``.
        hidden: state before the first step, ``(num, size)``; no gradient flows into it.
        starts: ``(time, num)`` bool; where true, an episode begins with that step.
        first: the state at an episode's start, ``(size,)``; its gradient is found, too. Zero when
            left out.

    Returns:
        ``(time, num, size)``.
    """
    weights = (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0, rnn.bias_hh_l0)
    return _GruSequence.apply(x, hidden, starts, first, *weights)  # type: ignore[no-any-return]


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
        first: Tensor | None,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
    ) -> Tensor:
        time, num, _ = x.shape
        size = hidden.shape[1]
        flat, two = x.reshape(time * num, -1), 2 * size
        # Columns r, z, recurrent part of n.
        sums = x.new_empty(time, num, 3 * size)
        wide = sums.view(time * num, 3 * size)
        torch.addmm(b_ih[:two] + b_hh[:two], flat, w_ih[:two].t(), out=wide[:, :two])
        wide[:, two:] = 2.0 * b_hh[two:]
        candidate = torch.addmm(2.0 * b_ih[two:], flat, 2.0 * w_ih[two:].t()).view(time, num, size)
        u = torch.cat([w_hh[:two], 2.0 * w_hh[two:]]).t().contiguous()
        out, minus_one = torch.empty_like(candidate), x.new_tensor(-1.0)
        h = hidden
        ctx.begins = _beginning(starts)
        rows = zip(
            ctx.begins,
            sums.unbind(),
            sums[..., :two].unbind(),
            sums[..., :size].unbind(),
            sums[..., size:two].unbind(),
            sums[..., two:].unbind(),
            candidate.unbind(),
            out.unbind(),
            strict=True,
        )
        for begin, both, gates, r, z, inner, n, result in rows:
            if begin is not None:
                h = _begun(h, begin, first)
            both.addmm_(h, u)
            gates.sigmoid_()
            torch.add(minus_one, n.addcmul_(r, inner).sigmoid_(), alpha=2.0, out=n)
            h = torch.lerp(n, h, z, out=result)
        ctx.save_for_backward(x, hidden, starts, first, w_ih, w_hh, sums, candidate, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, hidden, starts, first, w_ih, w_hh, sums, n, out = ctx.saved_tensors
        time, num, size = out.shape
        two, three = 2 * size, 3 * size
        d_sums = _slopes(sums, n, out)
        # A step's gradients are its slopes times the gradient of its state, in place.
        u = torch.cat([w_hh[two:], w_hh[:two]])
        wide = d_sums.view(time, num, -1)
        total, after = grad[-1].clone(), torch.empty_like(hidden)
        d_first = None if first is None else torch.zeros_like(first)
        rows = zip(
            reversed(ctx.begins[1:]),
            reversed(grad[:-1].unbind()),
            reversed(d_sums[1:].unbind()),
            reversed(wide[1:, :, :three].unbind()),
            reversed(sums[1:, :, size:two].unbind()),
            strict=True,
        )
        for begin, given, d, recurrent, z in rows:
            d.mul_(total.unsqueeze(1))
            torch.addcmul(given, total, z, out=after).addmm_(recurrent, u)
            if begin is not None:
                _add_first(d_first, begin, total, z, recurrent, u)
                after.index_copy_(0, begin, given.index_select(0, begin))
            total, after = after, total
        d_sums[0].mul_(total.unsqueeze(1))
        if ctx.begins[0] is not None:
            _add_first(d_first, ctx.begins[0], total, sums[0, :, size:two], wide[0, :, :three], u)

        flat, wide = x.reshape(time * num, -1), d_sums.view(time * num, -1)
        before = torch.cat([hidden[None], out[:-1]]).view(time * num, size)
        begun = starts.reshape(-1).nonzero().squeeze(1)
        if first is None:
            before.index_fill_(0, begun, 0.0)
        else:
            before.index_copy_(0, begun, first.expand(len(begun), -1))
        bias, d_inputs = wide.sum(dim=0), wide[:, size:]
        dw_hh = wide[:, :three].t() @ before
        dw_hh, db_hh = (torch.cat([v[size:three], v[:size]]) for v in (dw_hh, bias))
        dx = (d_inputs @ w_ih).view_as(x) if ctx.needs_input_grad[0] else None
        return dx, None, None, d_first, d_inputs.t() @ flat, dw_hh, bias[size:], db_hh


def _begun(h: Tensor, begin: Tensor, first: Tensor | None) -> Tensor:
    """States ``(num, size)`` with those of the worlds ``begin`` as an episode starts with."""
    if first is None:
        return h.index_fill(0, begin, 0.0)
    return h.index_copy(0, begin, first.expand(len(begin), -1))


def _add_first(
    d_first: Tensor | None, begin: Tensor, total: Tensor, z: Tensor, recurrent: Tensor, u: Tensor
) -> None:
    """Add what a step's gradients send back to the state its episode began with."""
    if d_first is None:
        return
    # d h / d before = z directly, and through the sums of the recurrent part.
    d_first += (total[begin] * z[begin]).sum(dim=0) + recurrent[begin].sum(dim=0) @ u


def _beginning(starts: Tensor) -> list[Tensor | None]:
    """Which worlds' episodes begin with each step, None where there are none."""
    counts = starts.sum(dim=1).tolist()
    worlds = starts.nonzero()[:, 1].split(counts)
    return [ids if count else None for ids, count in zip(worlds, counts, strict=True)]


def _slopes(sums: Tensor, n: Tensor, out: Tensor) -> Tensor:
    """What a state's gradient is multiplied by on its way to the sums of its step.

    Args:
        sums: r, z and twice the recurrent part of n, ``(time, num, 3 size)``.
        n: the candidate, ``(time, num, size)``.
        out: the states.

    Returns:
        ``(time, num, 4, size)``: recurrent part of n, r, z, n.
    """
    r, z, inner = sums.chunk(3, dim=-1)
    slopes = out.new_empty(*out.shape[:2], 4, out.shape[2])
    to_inner, to_r, to_z, to_n = slopes.unbind(dim=2)
    rest = 1.0 - z
    work = torch.sub(out, n)  # z (h - n)
    torch.mul(work, rest, out=to_z)
    torch.addcmul(out.new_ones(()), n, n, value=-1.0, out=work)
    torch.mul(work, rest, out=to_n)
    torch.mul(to_n, r, out=to_inner)
    torch.addcmul(inner, inner, r, value=-1.0, out=work)
    torch.addcmul(out.new_zeros(()), to_inner, work, value=0.5, out=to_r)
    return slopes
