"""Neural regressors in PyTorch: branches for each input, one head, and the loop that trains them.

This module may import torch at its top; it is itself imported inside functions alone.

Belongs here: layers and optimisation. Does not: what the inputs mean, or how they were scaled (train.py).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from anipop_pipeline.stages.pictures import PictureRows

Inputs = Mapping[str, np.ndarray | PictureRows]

# Paper A, Table 6: the final regressor, as in the authors' code: without the table's last layer of 3, relu from 96 on
# where the paper says tanh, and with the dropout before it switched off.
PUBLISHED_HEAD = (768, 384, 192, 96, 48, 24, 12, 6)
PUBLISHED_TANH = 3  # layers up to 192 use tanh, those after it relu
PUBLISHED_BRANCH = (768, 768)  # Paper A, Table 4: the character MLP, whose last layer is linear in the authors' code
TRADITIONAL_HEAD = (1000, 500, 250, 100)  # Paper A, Table 5; tanh throughout
FIRST_DRAWS = 20  # of first weights, until one lets the inputs through
FAINT = 0.05  # what is left of the last layer's first weights: few rows cannot unlearn a loud start
FARTHEST = 8  # a picture moves by at most this part of its side
LIGHT = (0.8, 1.2)  # brightness and contrast stay within a fifth


@dataclass(frozen=True)
class Design:
    """Widths of a network: one branch for each input (empty: handed on as it is), then a head."""

    branches: Mapping[str, tuple[int, ...]]
    head: tuple[int, ...]
    tanh_layers: int
    dropout: float = 0.1  # before each layer of a branch
    head_dropout: float = 0.0  # before the head: printed in the paper, off in the authors' code
    linear_ends: frozenset[str] = frozenset({"characters"})  # branches with no tanh after their last layer
    batch_softmax: bool = False


@dataclass(frozen=True)
class Schedule:
    """How a network is trained: to its best epoch on the validation rows, or to its last, whatever they say."""

    epochs: int
    batch: int = 32
    rate: float = 1e-3
    patience: int = 5
    shuffle: bool = True
    decay: float = 1e-2
    keep_best: bool = True  # else the last epoch is kept, and there need not be validation rows
    augment: bool = False  # show pictures a little different each time; never when predicting


@dataclass
class Trained:
    """A trained network and its (epoch, train error, validation error)."""

    network: nn.Module
    history: list[tuple[int, float, float]] = field(default_factory=list)

    def predict(self, inputs: Inputs, batch: int, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the network's answers for all rows or for those asked, batch by batch."""
        self.network.eval()
        asked = np.arange(len(next(iter(inputs.values())))) if rows is None else rows
        with torch.inference_mode():
            answers = [
                self.network(_tensors(inputs, asked[start : start + batch])) for start in range(0, len(asked), batch)
            ]
        return np.asarray(torch.cat([torch.empty(0), *answers]).numpy(), dtype=np.float64)


class Pictures(nn.Module):
    """A small convolutional network with pooling, trained from scratch: bytes in, 64 numbers out."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 64), nn.ReLU())

    def forward(self, pixels: Tensor) -> Tensor:
        """Return one vector for each picture."""
        return cast("Tensor", self.layers(pixels / 255.0))


def augmented(pixels: Tensor, chance: torch.Generator) -> Tensor:
    """Return pictures as they might have been as well: mirrored, moved, lighter or darker, flatter or harsher.

    A gap that moving leaves is filled with the edge, and each picture has a fate of its own.
    """
    count, colours, height, width = pixels.shape

    def moves(side: int) -> Tensor:
        farthest = side // FARTHEST
        return torch.randint(-farthest, farthest + 1, (count, 1), generator=chance)

    def factors() -> Tensor:
        return torch.empty(count, 1, 1, 1).uniform_(*LIGHT, generator=chance)

    mirrored = torch.rand(count, 1, generator=chance) < 0.5
    across = torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width))
    columns = (across + moves(width)).clamp(0, width - 1)[:, None, None, :]
    rows = (torch.arange(height) + moves(height)).clamp(0, height - 1)[:, None, :, None]
    moved = pixels[torch.arange(count)[:, None, None, None], torch.arange(colours)[:, None, None], rows, columns]
    middle = moved.mean((1, 2, 3), keepdim=True)
    return (((moved - middle) * factors() + middle) * factors()).clamp(0, 255)


class Regressor(nn.Module):
    """Branches side by side, then a head that ends in one number."""

    def __init__(self, design: Design, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.design = design
        self.branches = nn.ModuleDict()
        joined = 0
        for name, hidden in design.branches.items():
            if name == "pictures":
                self.branches[name] = Pictures()
                joined += 64
            else:
                self.branches[name] = _branch(widths[name], hidden, design.dropout, name in design.linear_ends)
                joined += hidden[-1] if hidden else widths[name]
        self.head = _head(joined, design)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return one number for each row."""
        joined = torch.cat([branch(inputs[name]) for name, branch in self.branches.items()], dim=1)
        answers = cast("Tensor", self.head(joined)).squeeze(1)
        # The published benchmark puts a softmax over the batch: sixteen answers that sum to one.
        return torch.softmax(answers, dim=0) if self.design.batch_softmax else answers


def _branch(width: int, hidden: tuple[int, ...], dropout: float, linear_end: bool) -> nn.Module:
    layers: list[nn.Module] = []
    for after in hidden:
        layers += [nn.Dropout(dropout), nn.Linear(width, after), nn.Tanh()]
        width = after
    return nn.Sequential(*(layers[:-1] if linear_end else layers))


def _head(width: int, design: Design) -> nn.Module:
    layers: list[nn.Module] = [nn.Dropout(design.head_dropout)] if design.head_dropout else []
    for place, after in enumerate(design.head):
        layers += [nn.Linear(width, after), nn.Tanh() if place < design.tanh_layers else nn.ReLU()]
        width = after
    return nn.Sequential(*layers, nn.Linear(width, 1))


def train(
    design: Design,
    schedule: Schedule,
    inputs: Inputs,
    label: np.ndarray,
    validation: np.ndarray,
    seed: int,
    *,
    from_mean: bool = True,
    redraw: bool = True,
) -> Trained:
    """Return a network fitted on the rows outside `validation`, in the state that judged those best, or its last.

    It starts with little but the train labels' mean as its answer (`from_mean`) and from weights that let the inputs
    through (`redraw`); without these it starts as torch draws it.
    """
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        network = _awake(design, inputs, ~validation, draws=FIRST_DRAWS if redraw else 1)
        if from_mean:
            last = cast("nn.Linear", network.head[-1])  # type: ignore[index]  # head is a Sequential
            with torch.no_grad():
                last.bias.fill_(float(label[~validation].mean()))
                last.weight.mul_(FAINT)
        return _fit(network, schedule, inputs, label, validation, seed)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep small products on one core: as fast, and the same numbers however many cores a machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _awake(design: Design, inputs: Inputs, rows: np.ndarray, *, draws: int) -> Regressor:
    """Return a fresh network whose answers differ from row to row, if one comes within `draws`.

    The published head ends in few relu units. About one draw in thirty leaves all of them silent for every input: such
    a network has no gradient and answers the same for ever, so it is drawn again.
    """
    widths = {name: int(values.shape[1]) for name, values in inputs.items()}
    some = np.flatnonzero(rows)[:64]
    for _ in range(draws):
        network = Regressor(design, widths)
        if np.ptp(Trained(network).predict(inputs, 64, some)) > 0:
            break
    return network


def _fit(
    network: Regressor,
    schedule: Schedule,
    inputs: Inputs,
    label: np.ndarray,
    validation: np.ndarray,
    seed: int,
) -> Trained:
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=schedule.rate, eps=1e-8, weight_decay=schedule.decay, fused=True
    )
    inside, outside = np.flatnonzero(~validation), np.flatnonzero(validation)
    steps = schedule.epochs * -(-len(inside) // schedule.batch)
    slope = torch.optim.lr_scheduler.LinearLR(optimiser, start_factor=1.0, end_factor=0.0, total_iters=steps)
    order, chance = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    trained = Trained(network)
    best, best_state, waited = float("inf"), None, 0
    for epoch in range(1, schedule.epochs + 1):
        network.train()
        losses = []
        for rows in _batches(inside, schedule, order):
            optimiser.zero_grad()
            shown = _tensors(inputs, rows)
            if schedule.augment:
                shown["pictures"] = augmented(shown["pictures"], chance)
            loss = nn.functional.mse_loss(network(shown), _label(label, rows))
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves backward unannotated
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            slope.step()
            losses.append(loss.item() * len(rows))
        judged = _error(trained, inputs, label, outside, schedule.batch)
        trained.history.append((epoch, sum(losses) / len(inside), judged))
        if not schedule.keep_best:
            continue
        if judged < best:
            best, best_state, waited = judged, deepcopy(network.state_dict()), 0
        else:
            waited += 1
        if waited >= schedule.patience:
            break
    if best_state is not None:
        network.load_state_dict(best_state)
    return trained


def _batches(rows: np.ndarray, schedule: Schedule, order: np.random.Generator) -> Iterator[np.ndarray]:
    shuffled = order.permutation(rows) if schedule.shuffle else rows
    yield from (shuffled[start : start + schedule.batch] for start in range(0, len(rows), schedule.batch))


def _error(trained: Trained, inputs: Inputs, label: np.ndarray, rows: np.ndarray, batch: int) -> float:
    if not len(rows):
        return float("nan")
    answers = trained.predict(inputs, batch, rows)
    return float(np.mean((answers - label[rows]) ** 2))


def _tensors(inputs: Inputs, rows: np.ndarray) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(values[rows])).float() for name, values in inputs.items()}


def _label(label: np.ndarray, rows: np.ndarray) -> Tensor:
    return torch.from_numpy(label[rows]).float()


def weights(trained: Trained) -> bytes:
    """Return the weights as safetensors."""
    from safetensors.torch import save

    return save({name: tensor.contiguous() for name, tensor in trained.network.state_dict().items()})
