"""Networks learn what can be learned, stop where they should, and repeat themselves."""

from dataclasses import replace

import numpy as np
import pytest

from anipop_pipeline.stages import networks
from anipop_pipeline.stages.networks import Design, Schedule

LINE = Design({"x": ()}, (16,), tanh_layers=1)
QUICK = Schedule(epochs=60, batch=32, rate=1e-2, patience=60)


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
