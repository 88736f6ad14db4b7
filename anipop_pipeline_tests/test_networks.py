"""Networks learn what can be learned, stop where they should, and repeat themselves."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anipop_pipeline.stages import networks
from anipop_pipeline.stages.networks import Design, Schedule
from anipop_pipeline.stages.pictures import PictureRows

LINE = Design({"x": ()}, (16,), tanh_layers=1)
QUICK = Schedule(epochs=60, batch=32, rate=1e-2, patience=60)


LOOK = Design({"pictures": ()}, (16,), tanh_layers=0)


def doubled(rows: int = 200, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return x, y = 2x, and every fourth row held out."""
    x = np.random.default_rng(seed).uniform(-0.5, 0.5, (rows, 1)).astype(np.float32)
    return {"x": x}, 2.0 * x[:, 0].astype(np.float64), np.arange(rows) % 4 == 0


def noisy(rows: int = 80, width: int = 30) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return inputs that say nothing of the label, so that a network can only learn them by heart."""
    chance = np.random.default_rng(1)
    x = chance.normal(size=(rows, width)).astype(np.float32)
    return {"x": x}, chance.normal(size=rows), np.arange(rows) % 3 == 0


def flat(trained: networks.Trained) -> np.ndarray:
    return np.concatenate([tensor.numpy().reshape(-1) for tensor in trained.network.state_dict().values()])


def test_a_network_learns_to_double() -> None:
    inputs, label, held = doubled()

    trained = networks.train(LINE, QUICK, inputs, label, held, seed=1)

    new, truth, _ = doubled(seed=9)
    np.testing.assert_allclose(trained.predict(new, 64), truth, atol=0.08)


def test_errors_fall_from_the_first_epoch_to_the_last_and_are_those_of_each_part() -> None:
    inputs, label, held = doubled()

    trained = networks.train(LINE, QUICK, inputs, label, held, seed=1)

    epochs, train_errors, validation_errors = zip(*trained.history, strict=True)
    assert epochs == tuple(range(1, 61))
    assert train_errors[-1] < train_errors[0] / 10
    best = np.mean((trained.predict({"x": inputs["x"][held]}, 32) - label[held]) ** 2)
    assert min(validation_errors) == pytest.approx(best, rel=1e-5)


def test_training_stops_when_nothing_improves_and_gives_back_the_best_state() -> None:
    inputs, label, held = noisy()
    schedule = Schedule(epochs=60, batch=8, rate=1e-2, patience=4)

    trained = networks.train(replace(LINE, head=(64, 64)), schedule, inputs, label, held, seed=1)

    errors = [judged for _, _, judged in trained.history]
    best = errors.index(min(errors)) + 1
    assert len(errors) == best + 4 < 60
    assert trained.history[-1][1] < trained.history[best - 1][1]  # by heart, train went on falling
    found = np.mean((trained.predict({"x": inputs["x"][held]}, 32) - label[held]) ** 2)
    assert found == pytest.approx(min(errors), rel=1e-5)
    assert found < errors[-1]


def test_held_out_rows_teach_nothing() -> None:
    inputs, label, held = doubled()
    lies = np.where(held, 5.0, label)

    once = networks.train(LINE, replace(QUICK, epochs=1), inputs, label, held, seed=1)
    misled = networks.train(LINE, replace(QUICK, epochs=1), inputs, lies, held, seed=1)

    np.testing.assert_array_equal(flat(misled), flat(once))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    inputs, label, held = doubled()
    design, short = replace(LINE, head_dropout=0.2), replace(QUICK, epochs=3)

    one, same, other = (networks.train(design, short, inputs, label, held, seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(flat(one), flat(same))
    assert one.history == same.history
    assert not np.allclose(flat(one), flat(other))


def test_training_leaves_the_random_state_alone() -> None:
    import torch

    inputs, label, held = doubled()
    before = torch.random.get_rng_state()

    networks.train(LINE, replace(QUICK, epochs=1), inputs, label, held, seed=1)

    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_fresh_network_starts_from_the_mean_of_the_train_labels() -> None:
    inputs, _, held = doubled()
    label = np.where(held, 0.0, 0.7)
    asleep = Schedule(epochs=1, rate=0.0)

    trained = networks.train(replace(LINE, head=()), asleep, {"x": 0 * inputs["x"]}, label, held, seed=1)

    np.testing.assert_allclose(trained.predict({"x": 0 * inputs["x"]}, 7), 0.7, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_batches_do_not_change_an_answer(batch: int) -> None:
    inputs, label, held = doubled()
    trained = networks.train(LINE, replace(QUICK, epochs=2), inputs, label, held, seed=1)

    np.testing.assert_allclose(trained.predict(inputs, batch), trained.predict(inputs, 50), atol=1e-6)


def test_no_rows_get_no_answers() -> None:
    inputs, label, held = doubled()
    trained = networks.train(LINE, replace(QUICK, epochs=1), inputs, label, held, seed=1)

    assert trained.predict({"x": inputs["x"][:0]}, 16).shape == (0,)


def test_a_softmax_over_the_batch_makes_each_sixteen_answers_sum_to_one() -> None:
    inputs, label, held = doubled()
    trained = networks.train(
        replace(LINE, batch_softmax=True), Schedule(epochs=2, batch=16), inputs, label, held, seed=1
    )

    answers = trained.predict({"x": inputs["x"][:40]}, 16)

    assert [part.sum() for part in np.split(answers, [16, 32])] == pytest.approx([1, 1, 1])
    assert answers[:32].mean() == pytest.approx(1 / 16)


def test_without_shuffling_rows_come_in_their_order() -> None:
    inputs, label, held = doubled()
    ordered = Schedule(epochs=2, shuffle=False)

    # Without dropout and shuffling nothing is left to chance but the first weights.
    one, other = (networks.train(LINE, ordered, inputs, label, held, seed) for seed in (1, 1))
    shuffled = networks.train(LINE, replace(ordered, shuffle=True), inputs, label, held, 1)

    np.testing.assert_array_equal(flat(one), flat(other))
    assert not np.array_equal(flat(one), flat(shuffled))


def test_weights_come_back_from_their_file() -> None:
    from safetensors.torch import load

    inputs, label, held = doubled()
    trained = networks.train(LINE, replace(QUICK, epochs=2), inputs, label, held, seed=1)

    empty = networks.Regressor(LINE, {"x": 1})
    empty.load_state_dict(load(networks.weights(trained)))

    np.testing.assert_array_equal(networks.Trained(empty).predict(inputs, 50), trained.predict(inputs, 50))


def test_branches_of_different_widths_meet_in_one_head() -> None:
    chance = np.random.default_rng(0)
    inputs = {
        "wide": chance.normal(size=(40, 12)).astype(np.float32),
        "deep": chance.normal(size=(40, 5)).astype(np.float32),
        "pictures": chance.integers(0, 256, (40, 3, 16, 16), dtype=np.uint8),
    }
    design = Design({"wide": (), "deep": (8, 4), "pictures": ()}, (6,), tanh_layers=0)

    trained = networks.train(design, Schedule(epochs=1), inputs, chance.normal(size=40), np.arange(40) < 8, seed=1)

    assert trained.network.head[0].in_features == 12 + 4 + 64
    assert trained.predict(inputs, 16).shape == (40,)


def test_the_published_head_has_the_layers_of_the_published_code() -> None:
    from torch import nn

    network = networks.Regressor(
        Design({"synopsis": ()}, networks.PUBLISHED_HEAD, networks.PUBLISHED_TANH), {"synopsis": 1536}
    )

    widths = [layer.in_features for layer in network.head if isinstance(layer, nn.Linear)]
    curves = [type(layer).__name__ for layer in network.head if isinstance(layer, nn.Tanh | nn.ReLU)]
    assert widths == [1536, 768, 384, 192, 96, 48, 24, 12, 6]
    assert curves == ["Tanh"] * 3 + ["ReLU"] * 5


def test_without_a_choice_the_last_epoch_is_kept_and_validation_rows_change_nothing() -> None:
    inputs, label, held = noisy()
    last = Schedule(epochs=30, batch=8, rate=1e-2, patience=1, keep_best=False)
    design = replace(LINE, head=(64, 64))

    watched = networks.train(design, last, inputs, label, held, seed=1)
    alone = networks.train(design, last, {"x": inputs["x"][~held]}, label[~held], np.zeros((~held).sum(), bool), 1)

    errors = [judged for _, _, judged in watched.history]
    found = np.mean((watched.predict({"x": inputs["x"][held]}, 8) - label[held]) ** 2)
    assert len(errors) == 30
    assert found == pytest.approx(errors[-1], rel=1e-5)
    assert min(errors) < errors[-1]
    assert all(np.isnan(judged) for _, _, judged in alone.history)
    assert watched.history[0][1] > watched.history[-1][1]


def test_a_start_that_is_not_set_is_the_one_that_torch_draws() -> None:
    import torch

    inputs, label, held = doubled()
    still = replace(QUICK, epochs=1, rate=0.0)

    cold = networks.train(LINE, still, inputs, label + 5, held, seed=1, from_mean=False, redraw=False)
    warm = networks.train(LINE, still, inputs, label + 5, held, seed=1)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        drawn = networks.Regressor(LINE, {"x": 1})
    np.testing.assert_array_equal(flat(cold), flat(networks.Trained(drawn)))
    assert warm.network.head[-1].bias.item() == pytest.approx((label + 5)[~held].mean())


def test_a_dead_start_is_drawn_again_only_where_asked() -> None:
    inputs, label, held = doubled()
    narrow = Design({"x": ()}, (1, 1), tanh_layers=0)  # two relu units in a row: most draws are silent
    still = Schedule(epochs=1, rate=0.0)

    answers = [
        [
            np.ptp(networks.train(narrow, still, inputs, label, held, seed, redraw=redraw).predict(inputs, 200))
            for seed in range(12)
        ]
        for redraw in (False, True)
    ]

    assert 0.0 in answers[0]
    assert 0.0 not in answers[1]


def test_a_branch_ends_in_a_curve_unless_it_is_named_linear() -> None:
    design = Design({"table": (8,), "characters": (8, 4)}, (6,), tanh_layers=0, head_dropout=0.3)

    network = networks.Regressor(design, {"table": 3, "characters": 5})

    def named(part: object) -> list[str]:
        return [type(layer).__name__ for layer in part]  # type: ignore[attr-defined]

    assert named(network.branches["table"]) == ["Dropout", "Linear", "Tanh"]
    assert named(network.branches["characters"]) == ["Dropout", "Linear", "Tanh", "Dropout", "Linear"]
    assert named(network.head) == ["Dropout", "Linear", "ReLU", "Linear"]
    assert named(networks.Regressor(replace(design, head_dropout=0.0), {"table": 3, "characters": 5}).head) == [
        "Linear",
        "ReLU",
        "Linear",
    ]


# Pictures


def stripes(rows: int, seed: int) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Return noisy stripes, across or down from any start: neither mirroring nor moving changes which they are."""
    chance = np.random.default_rng(seed)
    across, start = chance.random(rows) < 0.5, chance.integers(0, 4, rows)
    wave = np.where((np.arange(16) + start[:, None]) % 4 < 2, 60, 190)
    drawn = np.where(across[:, None, None], wave[:, :, None], wave[:, None, :])
    pixels = (drawn[:, None] + chance.normal(0, 10, (rows, 3, 16, 16))).clip(0, 255).astype(np.uint8)
    shown = {"pictures": PictureRows(pixels, np.arange(rows))}
    return shown, across.astype(np.float64), np.arange(rows) % 4 == 0


def moved(pixels: np.ndarray, mirror: bool, down: int, across: int) -> np.ndarray:
    """Return one picture, mirrored or not, then moved, its edge repeated: by numpy's own padding."""
    side = pixels.shape[-1]
    wide = np.pad(pixels[..., ::-1] if mirror else pixels, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return wide[:, 1 + down : 1 + down + side, 1 + across : 1 + across + side]


FATES = list(product([False, True], [-1, 0, 1], [-1, 0, 1]))  # a side of 8 moves by one pixel


def fates(before: np.ndarray, after: np.ndarray) -> list[tuple[bool, int, int]]:
    """Return which ways of mirroring and moving, with one line from old to new values, lead from one to the other."""
    found = []
    for fate in FATES:
        values = moved(before, *fate).reshape(-1)
        slope, level = np.polyfit(values, after.reshape(-1), 1)
        if np.abs(slope * values + level - after.reshape(-1)).max() < 1e-2 and 0.63 < slope < 1.45:
            found.append(fate)
    return found


def test_a_picture_is_shown_mirrored_moved_and_in_another_light_and_each_in_its_own() -> None:
    import torch

    pixels = np.random.default_rng(2).uniform(100, 150, (400, 3, 8, 8)).astype(np.float32)

    shown = networks.augmented(torch.from_numpy(pixels), torch.Generator().manual_seed(1)).numpy()

    assert (shown.shape, shown.dtype) == (pixels.shape, pixels.dtype)
    drawn = [fates(before, after) for before, after in zip(pixels, shown, strict=True)]
    assert {len(found) for found in drawn} == {1}  # each picture has gone exactly one way
    assert {found[0] for found in drawn} == set(FATES)
    light = shown.mean((1, 2, 3)) / pixels.mean((1, 2, 3))
    spread = shown.std((1, 2, 3)) / pixels.std((1, 2, 3)) / light
    assert (light.min(), light.max()) == (pytest.approx(0.8, abs=0.02), pytest.approx(1.2, abs=0.02))
    assert (spread.min(), spread.max()) == (pytest.approx(0.8, abs=0.1), pytest.approx(1.2, abs=0.1))


def test_no_light_leaves_the_range_of_bytes_and_the_picture_given_is_left_alone() -> None:
    import torch

    pixels = torch.from_numpy(np.random.default_rng(2).choice([0.0, 255.0], (64, 3, 16, 16)).astype(np.float32))
    before = pixels.clone()

    shown = networks.augmented(pixels, torch.Generator().manual_seed(1))

    assert (shown.min(), shown.max()) == (0, 255)
    assert torch.equal(pixels, before)
    assert not torch.equal(shown, before)


def test_the_same_generator_shows_the_same_and_goes_on_to_something_else() -> None:
    import torch

    pixels = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 255
    one, other = (torch.Generator().manual_seed(5) for _ in range(2))

    first, same = networks.augmented(pixels, one), networks.augmented(pixels, other)

    assert torch.equal(first, same)
    assert not torch.equal(networks.augmented(pixels, one), first)


def test_what_neither_mirroring_nor_moving_changes_is_still_found() -> None:
    inputs, label, held = stripes(240, seed=0)

    trained = networks.train(LOOK, Schedule(epochs=15, rate=3e-3, augment=True), inputs, label, held, seed=1)

    new, truth, _ = stripes(100, seed=9)
    assert np.mean((trained.predict(new, 32) > 0.5) == (truth > 0.5)) > 0.95


def test_augmenting_repeats_itself_and_leaves_the_random_state_alone() -> None:
    import torch

    inputs, label, held = stripes(80, seed=0)
    short = Schedule(epochs=2, augment=True)
    before = torch.random.get_rng_state()

    one, same = (networks.train(LOOK, short, inputs, label, held, seed=1) for _ in range(2))
    plain = networks.train(LOOK, replace(short, augment=False), inputs, label, held, seed=1)

    np.testing.assert_array_equal(flat(one), flat(same))
    assert one.history == same.history
    assert not np.allclose(flat(one), flat(plain))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_predicting_shows_pictures_as_they_are() -> None:
    import torch

    inputs, label, held = stripes(80, seed=0)
    trained = networks.train(LOOK, Schedule(epochs=2, augment=True), inputs, label, held, seed=1)

    answers = trained.predict(inputs, 80)

    raw = torch.from_numpy(inputs["pictures"].pixels).float()
    with torch.no_grad():
        plain = trained.network({"pictures": raw}).numpy()
    np.testing.assert_array_equal(answers, plain.astype(np.float64))
    np.testing.assert_array_equal(trained.predict(inputs, 80), answers)


@dataclass
class Watched:
    """An array of pictures that notes how many rows are asked for at once."""

    values: np.ndarray
    asked: list[int] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self.asked.append(len(rows))
        return np.asarray(self.values[rows])


def test_no_more_pictures_are_copied_than_a_batch_asks_for() -> None:
    inputs, label, held = stripes(300, seed=0)
    watched = Watched(inputs["pictures"].pixels)
    lazy: Mapping[str, Any] = {"pictures": PictureRows(watched, np.arange(300))}  # type: ignore[arg-type]

    trained = networks.train(LOOK, Schedule(epochs=2, batch=32), lazy, label, held, seed=1)
    lazily = trained.predict(lazy, 32)

    # 64 rows try out the first weights; then 225 train rows and 75 validation rows in each epoch, and all to predict.
    epoch = [32] * 7 + [1] + [32, 32, 11]
    assert watched.asked == [64, *epoch, *epoch, *[32] * 9, 12]
    eagerly = networks.train(LOOK, Schedule(epochs=2, batch=32), inputs, label, held, seed=1)
    np.testing.assert_array_equal(flat(trained), flat(eagerly))
    np.testing.assert_array_equal(lazily, eagerly.predict(inputs, 32))


def test_some_rows_get_the_answers_that_they_have_among_all() -> None:
    inputs, label, held = doubled()
    trained = networks.train(LINE, replace(QUICK, epochs=2), inputs, label, held, seed=1)
    rows = np.array([150, 3, 77])

    np.testing.assert_allclose(trained.predict(inputs, 2, rows), trained.predict(inputs, 50)[rows], atol=1e-6)


BOUNDED = """
import resource, sys
from datetime import UTC, datetime
import numpy as np
from anipop_pipeline.lake import Folder, open_lake
from anipop_pipeline.stages import networks
from anipop_pipeline.stages.pictures import PictureRows

BOUND = 150_000_000  # bytes; the table of pictures has 400 million
lake, side = open_lake(sys.argv[1], "demo"), 64
sparse = np.lib.format.open_memmap(sys.argv[2], mode="w+", dtype=np.uint8, shape=(32_553, 3, side, side))
rows = np.linspace(0, len(sparse) - 1, 64).astype(int)
label = np.arange(64) / 64
sparse[rows] = (label * 255).astype(np.uint8)[:, None, None, None]
design, schedule = networks.Design({"pictures": ()}, (8,), 0), networks.Schedule(epochs=1, augment=True)

def learned(table):
    held = np.arange(64) % 4 == 0
    inputs = {"pictures": PictureRows(table, rows)}
    return networks.train(design, schedule, inputs, label, held, seed=1).predict(inputs, 32)

warm = learned(sparse)  # so that threads and buffers of torch are there already
data = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (data + BOUND, data + BOUND))
lake.save("poster_images", Folder({"pixels.npy": sparse}), {}, datetime.now(UTC))
table = lake.load_folder("poster_images").array("pixels")
assert np.array_equal(learned(table), warm)
assert table.nbytes > 400_000_000
try:
    table.copy()
except MemoryError:
    print("bounded")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted as Linux counts it")
def test_a_table_that_memory_could_not_hold_is_saved_loaded_learned_from_and_predicted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BOUNDED, str(tmp_path / "lake"), str(tmp_path / "sparse.npy")]

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(tmp_path)  # pytest would keep it for days

    assert done.stdout == "bounded\n", done.stderr
