"""PEARL's formulas by hand, and what its networks must not depend on."""

from __future__ import annotations

import math

import pytest
import torch

from damsel_training.pearl_networks import (
    Actor,
    Critic,
    GaussianEncoder,
    PearlNetworkCfg,
    kl_to_unit_gaussian,
    product_of_gaussians,
)

SMALL = PearlNetworkCfg(latent_dim=2, encoder_width=16, width=16)


def test_a_product_weighs_means_by_precision() -> None:
    """N(0, 1) times N(3, 1/2): precision 1 + 2, mean (0 * 1 + 3 * 2) / 3."""
    mean, variance = product_of_gaussians(
        torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0], [0.5]])
    )
    assert mean.item() == pytest.approx(2.0)
    assert variance.item() == pytest.approx(1 / 3)


def test_a_product_of_one_factor_is_that_factor() -> None:
    mean, variance = product_of_gaussians(torch.tensor([[4.0, -1.0]]), torch.tensor([[0.3, 2.0]]))
    torch.testing.assert_close(mean, torch.tensor([4.0, -1.0]))
    torch.testing.assert_close(variance, torch.tensor([0.3, 2.0]))


def test_more_of_the_same_evidence_is_surer_of_the_same() -> None:
    mean, variance = product_of_gaussians(torch.full((10, 1), 5.0), torch.full((10, 1), 2.0))
    assert mean.item() == pytest.approx(5.0)
    assert variance.item() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("mean", "variance", "nats"),
    [
        ([0.0, 0.0], [1.0, 1.0], 0.0),
        ([2.0], [1.0], 2.0),
        ([0.0], [math.e], 0.5 * (math.e - 2.0)),
        ([1.0, 0.0], [1.0, 4.0], 0.5 + 0.5 * (3.0 - math.log(4.0))),
    ],
)
def test_kl_by_hand(mean: list[float], variance: list[float], nats: float) -> None:
    value = kl_to_unit_gaussian(torch.tensor(mean), torch.tensor(variance))
    assert value.item() == pytest.approx(nats, abs=1e-6)


def test_kl_agrees_with_torch() -> None:
    torch.manual_seed(0)
    mean, variance = torch.randn(7, 3), torch.rand(7, 3) + 0.1
    unit = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, variance.sqrt()), unit
    ).sum(-1)
    torch.testing.assert_close(kl_to_unit_gaussian(mean, variance), theirs)


def test_the_encoder_does_not_see_the_order_of_transitions() -> None:
    torch.manual_seed(0)
    encoder = GaussianEncoder(SMALL).double()
    context = torch.rand(30, 28, dtype=torch.float64)
    for ours, shuffled in zip(encoder(context), encoder(context[torch.randperm(30)]), strict=True):
        torch.testing.assert_close(ours, shuffled)


def test_the_log_density_of_actions_is_that_of_a_squashed_gaussian() -> None:
    torch.manual_seed(0)
    actor = Actor(SMALL).double()
    observation, latent = torch.rand(6, 12).double(), torch.randn(6, 2).double()
    noise = torch.randn(6, 3).double()
    action, log_density = actor.sample(observation, latent, noise)
    mean, log_std = actor._gaussian(observation, latent)
    squashed = torch.distributions.TransformedDistribution(
        torch.distributions.Normal(mean, log_std.exp()),
        [torch.distributions.TanhTransform()],
    )
    torch.testing.assert_close(log_density, squashed.log_prob(action).sum(-1))


def test_without_noise_the_sampled_action_is_the_likeliest() -> None:
    actor = Actor(SMALL)
    observation, latent = torch.rand(4, 12), torch.randn(4, 2)
    sampled, _ = actor.sample(observation, latent, torch.zeros(4, 3))
    torch.testing.assert_close(sampled, actor(observation, latent))


def test_the_critics_gradient_reaches_the_latent() -> None:
    latent = torch.zeros(4, 2, requires_grad=True)
    first, second = Critic(SMALL)(torch.rand(4, 12), torch.rand(4, 3), latent)
    assert not torch.equal(first, second)
    (first + second).sum().backward()
    assert latent.grad is not None
    assert latent.grad.abs().max() > 0
