"""Several processes, one student: the few collective operations data-parallel training needs.

Every function does nothing when ``torch.distributed`` was not started, so the same code runs alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def is_parallel() -> bool:
    """Whether several processes train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """This process's number, from 0; 0 alone."""
    return dist.get_rank() if is_parallel() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if is_parallel() else 1


@contextmanager
def started():
    """Join the processes that ``torchrun`` started (gloo on CPU, NCCL on CUDA); alone, do nothing.

    Local process i takes GPU i where there are GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if is_parallel():
        dist.barrier()


def agreed(decision: bool) -> bool:
    """The first process's decision, in every process."""
    if not is_parallel():
        return decision
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    value = torch.tensor(int(decision), device=device)
    dist.broadcast(value, 0)
    return bool(value)


def all_sum(value: Tensor) -> Tensor:
    """Sum over processes, in place."""
    if is_parallel():
        dist.all_reduce(value)
    return value


def all_mean(value: float) -> float:
    """Mean of a number over processes."""
    if not is_parallel():
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    return float(all_sum(torch.tensor(value, dtype=torch.float64, device=device))) / world_size()


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Mean of every gradient over processes, in one message."""
    if not is_parallel():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    all_sum(flat).div_(world_size())
    begin = 0
    for gradient in gradients:
        gradient.copy_(flat[begin : begin + gradient.numel()].view_as(gradient))
        begin += gradient.numel()


def gathered(value: T) -> list[T]:
    """Every process's value, in the order of their numbers, in every process."""
    if not is_parallel():
        return [value]
    found: list[T] = [value] * world_size()
    dist.all_gather_object(found, value)
    return found


def copy_from_first(module: torch.nn.Module) -> None:
    """Give every process the first one's parameters and buffers."""
    if is_parallel():
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, 0)
