"""Recurrent memories run over whole sequences, with resets inside them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from robo_ts.policies.gru import can_run, gru_sequence

# A memory's state: (layers, num, width) per part; a GRU has one part, an LSTM two.
Hidden = tuple[Tensor, ...]


class Memory(nn.Module):
    """A GRU or LSTM whose sequence path equals stepping it, resets included.

    Args:
        kind: ``gru`` or ``lstm``.
        input_size: width of the inputs.
        size: width of the state.
        layers: stacked layers.
        learn_start: whether the state at an episode's start is learnt, from zero on; else it stays
            zero.
    """

    start: nn.Parameter | None  # (parts, layers, size)

    def __init__(
        self, kind: str, input_size: int, size: int, layers: int, learn_start: bool = False
    ) -> None:
        super().__init__()
        self.kind, self.size, self.layers = kind, size, layers
        self.parts = 2 if kind == "lstm" else 1
        self.rnn = (nn.LSTM if kind == "lstm" else nn.GRU)(input_size, size, layers)
        first = nn.Parameter(torch.zeros(self.parts, layers, size)) if learn_start else None
        self.register_parameter("start", first)

    def initial(self, num: int) -> Hidden:
        """The state of ``num`` worlds at an episode's start; of its own, without history."""
        if self.start is None:
            weight = next(self.rnn.parameters())
            return tuple(weight.new_zeros(self.layers, num, self.size) for _ in range(self.parts))
        return tuple(part[:, None].repeat(1, num, 1) for part in self.start.detach())

    def cleared(self, hidden: Hidden, done: Tensor) -> Hidden:
        """``hidden`` with the state at an episode's start where ``done (num,)`` is true."""
        return self._with(hidden, done, None if self.start is None else self.start.detach())

    def begun(self, hidden: Hidden, starts: Tensor) -> Hidden:
        """As :meth:`cleared`, with a gradient into a learnt state."""
        return self._with(hidden, starts, self.start)

    def _with(self, hidden: Hidden, where: Tensor, start: Tensor | None) -> Hidden:
        if start is None:
            return masked(hidden, where)
        return tuple(
            torch.where(where[None, :, None], first[:, None], part)
            for first, part in zip(start, hidden, strict=True)
        )

    def step(self, x: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
        """One step: ``x (num, input_size)`` to ``(num, size)`` and the next state."""
        out, state = self._run(x.unsqueeze(0), hidden)
        return out.squeeze(0), state

    def sequence(self, x: Tensor, hidden: Hidden, starts: Tensor) -> tuple[Tensor, Hidden]:
        """A whole chunk in one fused call.

        Args:
            x: ``(time, num, input_size)``.
            hidden: state before the first step.
            starts: ``(time, num)`` bool; where true, an episode begins with that step.

        Returns:
            Outputs ``(time, num, size)`` and the state after the last step.
        """
        if can_run(self.rnn, x, hidden[0]):
            assert isinstance(self.rnn, nn.GRU)
            first = None if self.start is None else self.start[0, 0]
            out = gru_sequence(self.rnn, x, hidden[0][0], starts, first)
            return out, (out[-1:],)
        if not bool(starts.any()):
            return self._run(x, hidden)
        time, num = starts.shape
        # Cut every world's row at its resets; each piece becomes a row of its own, padded at the
        # end.
        cut = starts.clone()
        cut[0] = True
        piece_in_world = cut.long().cumsum(dim=0) - 1
        pieces_per_world = piece_in_world[-1] + 1
        first_piece = pieces_per_world.cumsum(dim=0) - pieces_per_world
        piece = piece_in_world + first_piece
        steps = torch.arange(time, device=x.device)[:, None].expand(time, num)
        began = torch.where(cut, steps, torch.zeros_like(steps)).cummax(dim=0).values
        place = steps - began
        count = int(pieces_per_world.sum())
        lengths = torch.zeros(count, dtype=torch.long, device=x.device)
        lengths.index_put_(
            (piece.reshape(-1),), torch.ones_like(piece).reshape(-1), accumulate=True
        )

        state = []
        everywhere = self.begun(self._zeros(x, count), starts.new_ones(count))
        for rows, part in zip(everywhere, self.begun(hidden, starts[0]), strict=True):
            state.append(rows.index_copy(1, first_piece, part))
        longest = int(lengths.max())
        padded = x.new_zeros(longest, count, x.shape[-1]).index_put((place, piece), x)
        if self.kind == "gru" and self.layers == 1:
            # Packing is several times slower on a CPU. It is needed only for the state after a
            # padded row; here that state is the row's last output.
            out, _ = self._run(padded, tuple(state))
            outputs = out[place, piece]
            return outputs, (outputs[-1:],)
        packed = pack_padded_sequence(padded, lengths.cpu(), enforce_sorted=False)
        out, last = self._run(packed, tuple(state))
        assert isinstance(out, PackedSequence)
        unpacked, _ = nn.utils.rnn.pad_packed_sequence(out, total_length=longest)
        final_piece = first_piece + pieces_per_world - 1
        return unpacked[place, piece], tuple(part[:, final_piece] for part in last)

    def _zeros(self, x: Tensor, num: int) -> Hidden:
        return tuple(x.new_zeros(self.layers, num, self.size) for _ in range(self.parts))

    def _run(self, x, hidden: Hidden):
        if self.kind == "lstm":
            return self.rnn(x, hidden)
        out, state = self.rnn(x, hidden[0])
        return out, (state,)


def masked(hidden: Hidden, done: Tensor) -> Hidden:
    """The state with the rows of finished episodes zero; ``done (num,)`` bool."""
    # Not a product with the mask: zero times NaN is NaN.
    return tuple(torch.where(done[None, :, None], torch.zeros_like(part), part) for part in hidden)


def detached(hidden: Hidden) -> Hidden:
    """The state cut off from its history, for truncated back-propagation."""
    return tuple(part.detach() for part in hidden)
