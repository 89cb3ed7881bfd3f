"""Entries of a preset changed with `--set`."""

import pytest

from damsel.errors import InvalidConfigError
from damsel_training.overrides import overridden
from damsel_training.pearl_cfg import PearlCfg
from damsel_training.run import PRESETS


def test_entries_of_every_kind_are_changed_and_nothing_else() -> None:
    before = PRESETS["quick"]
    after = overridden(
        before,
        [
            "damsel.network.pooling=mean",
            "damsel.dagger=false",
            "damsel.iterations=3",
            "damsel.learning_rate=1e-4",
            "damsel.hindsight=0",
            "damsel.randomisation.friction=[1, 1.5]",
            "experts.door.env.reward.force_weight=2",
        ],
    )
    assert after.damsel.network.pooling == "mean"
    assert after.damsel.dagger is False
    assert after.damsel.iterations == 3
    assert after.damsel.learning_rate == 1e-4
    assert isinstance(after.damsel.hindsight, float)
    assert after.damsel.hindsight == 0.0
    assert after.damsel.randomisation.friction == (1.0, 1.5)
    assert after.experts["door"].env.reward.force_weight == 2.0  # type: ignore[index]
    assert after.experts["push"] == before.experts["push"]  # type: ignore[index]
    assert after.collect == before.collect
    assert PRESETS["quick"].damsel.network.pooling == "attention"


@pytest.mark.parametrize(
    ("preset", "assignment", "said"),
    [
        ("quick", "experts.push.steps=0", "steps is 0; allowed: from 1"),
        ("quick", "experts.push.evaluation_goals=0", "evaluation_goals is 0; allowed: from 1"),
        ("quick", "experts.push.batch_size=0", "batch_size is 0; allowed: from 1"),
        ("quick", "experts.push.width=0", "width is 0; allowed: from 1"),
        ("quick", "experts.push.discount=2", "discount is 2.0; allowed: from 0 to 1"),
        ("quick", "experts.push.env.rows=0", "rows is 0; allowed: from 1"),
        ("quick", "experts.push.env.switch_probability=3", "allowed: from 0 to 1"),
        (
            "quick",
            "experts.push.env.randomisation.friction=[0, 1]",
            "friction of a randomisation is [0, 1]; allowed: two numbers above 0, the larger",
        ),
        ("quick", "damsel.randomisation.damping=[2, 1]", "the larger one last"),
        ("paper", "experts.agents.door.tasks_together=0", "tasks_together is 0; allowed: from 1"),
        ("paper", "experts.agents.door.evaluation_rows=1", "allowed: from 2, one nominal and one"),
        ("paper", "experts.distillation.rounds=0", "rounds is 0; allowed: from 1"),
        ("paper", "experts.practice.kept_rounds=0", "kept_rounds is 0; allowed: from 1"),
    ],
)
def test_experts_that_could_not_be_trained_are_refused(
    preset: str, assignment: str, said: str
) -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        overridden(PRESETS[preset], [assignment])
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "assignment",
    ["meta_batch=0", "evaluate_every=0", "kept_contexts=0", "horizon=0", "network.width=0"],
)
def test_a_pearl_that_could_not_be_trained_is_refused(assignment: str) -> None:
    with pytest.raises(InvalidConfigError, match="is 0; allowed: from 1"):
        overridden(PearlCfg(), [assignment])


@pytest.mark.parametrize(
    "assignments",
    [
        ["damsel.network.encoder_width=100", "damsel.network.heads=5"],
        ["damsel.model_size=8", "damsel.context_size=16"],
    ],
)
def test_entries_that_depend_on_one_another_come_in_any_order(assignments: list[str]) -> None:
    one, other = (overridden(PRESETS["quick"], order) for order in (assignments, assignments[::-1]))
    assert one == other != PRESETS["quick"]


def test_a_number_is_what_it_looks_like() -> None:
    after = overridden(PRESETS["smoke"], ["damsel.iterations=010", "damsel.learning_rate=.5e-2"])
    assert (after.damsel.iterations, after.damsel.learning_rate) == (10, 0.005)


def test_the_last_of_two_counts() -> None:
    after = overridden(PRESETS["smoke"], ["damsel.iterations=5", "damsel.iterations=6"])
    assert after.damsel.iterations == 6


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("damsel.iterations", "allowed: KEY=VALUE"),
        ("damsel.iteration=3", "there is no iteration; allowed there: iterations, "),
        ("demsel.iterations=3", "there is no demsel; allowed there: experts, collect, damsel"),
        ("=3", "there is no empty name"),
        ("damsel.iterations.x=3", "there is no x"),
        ("damsel.network=3", "names a group; allowed in it: latent_dim, "),
        ("experts.window.steps=3", "there is no window; allowed there: push, door, drawer"),
        ("damsel.iterations=3.5", "'3.5'; allowed: a whole number from 0"),
        ("damsel.iterations=true", "'true'; allowed: a whole number from 0"),
        ("damsel.iterations=-1", "'-1'; allowed: a whole number from 0"),
        ("damsel.iterations=0", "iterations is 0; allowed: from 1"),
        ("damsel.hindsight=2", "hindsight is 2.0; allowed: from 0 to 1"),
        ("damsel.learning_rate=nan", "allowed: a number from 0"),
        ("damsel.learning_rate=", "''; allowed: a number from 0"),
        ("damsel.dagger=no thanks", "'no thanks'; allowed: true, false"),
        ("damsel.network.pooling=max", "allowed: attention, mean"),
        ("damsel.network.heads=3", "allowed: what divides encoder_width (128)"),
        ("damsel.network.latent_dim=2", "allowed: from 3, the number of families"),
        ("damsel.network.latent_dim=2000", "the number of families, to 1024"),
        ("damsel.learning_rate=0", "learning_rate is 0.0; allowed: above 0"),
        ("damsel.context_size=16", "model_size is 32; allowed: to 16, context_size"),
        ("damsel.randomisation.friction=[1]", "'[1]'; allowed: [number, number], each from 0"),
        ("damsel.randomisation.friction=[a, b]", "allowed: [number, number]"),
        ("damsel.learning_rate=[", "allowed: a number from 0"),
        ("damsel.learning_rate=1:30", "'1:30'; allowed: a number from 0"),
        ("damsel.learning_rate=1e999", "'1e999'; allowed: a number from 0"),
        ("damsel.iterations=2024-13-45", "'2024-13-45'; allowed: a whole number from 0"),
        ("damsel.iterations=!!int x", "'!!int x'; allowed: a whole number from 0"),
        ("damsel.randomisation.friction=[-1, 2]", "'[-1, 2]'; allowed: [number, number], each"),
        (f"damsel.iterations={'[' * 5000}", "allowed: a whole number from 0"),
        ("experts.push.env.reward.clearance_m=0", "clearance_m is 0.0; allowed: above 0"),
        ("collect.rollouts=0", "rollouts is 0; allowed: from 1"),
        ("preset=paper", "there is no preset"),
        ("seed=3", "there is no seed"),
    ],
)
def test_what_cannot_be_set_is_said_with_what_can(assignment: str, said: str) -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        overridden(PRESETS["quick"], [assignment])
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
