"Few calls: where they are put, and what a network learns that leads to the end at once"

import math

import pytest
import torch

from ddpm_nb.core import DDPMError
from ddpm_nb.few_steps import ConsistencyLoss, ShrinkGap, search_levels
from ddpm_nb.loss import DDPMLoss
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.settings import PARAMETERIZATIONS
from ddpm_nb.toy import Mixture, Oracle

COSINE = DDPMSchedules("cosine", 200, dtype=torch.float64)
FLOW = DDPMSchedules("flow", 200, dtype=torch.float64)
STD = 0.5


class Exact:
    "Leads along the known curve of one bell to the end of each segment"

    def __init__(self, loss, parameterization):
        self.loss, self.parameterization = loss, parameterization

    def __call__(self, x, t, y=None):
        end, _ = self.loss.levels(t)
        (a, s), (a_end, s_end) = self.loss.at(t, x), self.loss.at(end, x)
        there = x * ((a_end**2 * STD**2 + s_end**2) / (a**2 * STD**2 + s**2)).sqrt()
        determinant = a * s_end - s * a_end
        image = (s_end * x - s * there) / determinant
        eps = (a * there - a_end * x) / determinant
        return self.loss.schedules.target(image, eps, t, self.parameterization)


def drawn(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("schedules", [COSINE, FLOW], ids=["cosine", "flow"])
@pytest.mark.parametrize("segments", [1, 2, 3])
@pytest.mark.parametrize("gap", [1.0, 0.5, 0.1])
def test_whoever_knows_the_image_has_no_loss(schedules, segments, gap):
    x0, noise = drawn(2, 200, 1, 2, 2)
    t = torch.arange(200)
    loss = ConsistencyLoss(schedules, segments, gap)
    for kind in PARAMETERIZATIONS:
        if kind == "eps" and schedules.ends_in_noise:
            continue  # it says nothing at the last level
        known = loss(Oracle(schedules, x0, kind), x0, t=t, noise=noise)
        assert known.loss < 1e-6
        # always the same wrong image agrees with itself, but not with the ends of the segments
        other = loss(Oracle(schedules, -x0, kind), x0, t=t, noise=noise)
        end, r = loss.levels(t)
        assert other.per_sample[r == end].mean() > 0.1


def test_it_draws_and_refuses_as_the_ordinary_loss_does():
    x0, seen = drawn(8, 1, 2, 2), []
    for loss in (DDPMLoss(COSINE), ConsistencyLoss(COSINE, 1, gap=1.0)):
        asked = []
        oracle = Oracle(COSINE, x0, "v")

        def model(x, t, oracle=oracle, asked=asked):
            asked.append(x)
            return oracle(x, t)

        g = torch.Generator().manual_seed(1)
        t = loss(model, x0, generator=g, parameterization="v").t
        seen.append((t, asked[-1]))
    (t, xt), (other_t, other_xt) = seen
    assert t.equal(other_t) and torch.allclose(xt, other_xt, atol=1e-12)
    with pytest.raises(DDPMError, match="noise: shape"):
        ConsistencyLoss(COSINE)(Oracle(COSINE, x0, "v"), x0, noise=x0[:1])
    with pytest.raises(DDPMError, match="pure noise"):
        ConsistencyLoss(FLOW)(Oracle(FLOW, x0, "eps"), x0)


@pytest.mark.parametrize("kind", ["x0", "v", "flow"])
def test_widest_gap_in_one_segment_is_ordinary_training(kind):
    x0, noise = drawn(2, 200, 1, 2, 2)
    t = torch.arange(200)
    target = ConsistencyLoss(FLOW, 1, 1.0).target(
        Oracle(FLOW, 0 * x0, kind), x0, noise, t, None, kind
    )
    torch.testing.assert_close(target, FLOW.target(x0, noise, t, kind), atol=1e-6, rtol=0)


@pytest.mark.parametrize("schedules", [COSINE, FLOW], ids=["cosine", "flow"])
@pytest.mark.parametrize("segments", [1, 2, 5])
def test_exact_answers_sample_exactly(schedules, segments):
    loss = ConsistencyLoss(schedules, segments)
    x_T = drawn(8, 1, 1, 1)
    exact = Exact(loss, "v")
    x = DDPMSampler(schedules).ddim_sample(exact, x_T.shape, segments, x_T=x_T, clip=None)
    a, s = schedules.signal_scale[-1], schedules.noise_scale[-1]
    torch.testing.assert_close(x, STD * x_T / (a**2 * STD**2 + s**2).sqrt(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("schedules", [COSINE, FLOW], ids=["cosine", "flow"])
@pytest.mark.parametrize("kind", ["x0", "v"])
def test_the_exact_answer_is_where_training_stands_still(schedules, kind):
    "The best linear answer to its own target, as exactly as the gap is narrow"
    t = torch.arange(20, 200, 20)
    one = torch.ones(len(t), 1, 1, 1, dtype=torch.float64)

    def off(gap):
        loss = ConsistencyLoss(schedules, 2, gap)
        net = Exact(loss, kind)
        image, noise = (loss.target(net, i * one, (1 - i) * one, t, None, kind) for i in (1, 0))
        a, s = loss.at(t, one)
        best = (image * a * STD**2 + noise * s) / (a**2 * STD**2 + s**2)
        return (best - net(one, t)).abs().mean().item()

    assert off(1.0) > 0.1 and off(0.1) < off(0.5) / 8


def test_levels_lead_to_the_end_of_their_segment():
    loss = ConsistencyLoss(COSINE, 2, 0.5)
    end, r = loss.levels(torch.tensor([0, 1, 99, 100, 101, 199]))
    assert end.tolist() == [-1, -1, -1, 99, 99, 99]
    assert r.tolist() == [-1, 0, 49, 99, 100, 149]


def test_no_gradient_flows_into_the_teacher():
    w = torch.ones((), dtype=torch.float64, requires_grad=True)
    x0, noise = drawn(2, 6, 1, 2, 2)
    loss = ConsistencyLoss(COSINE, 1, 0.5)
    t = torch.arange(100, 160, 10)
    asked = []

    def net(x, t, y):
        asked.append(torch.is_grad_enabled())
        return w * x

    loss(net, x0, torch.zeros(6), t, noise, parameterization="v").loss.backward()
    assert asked == [False, True] and w.grad != 0


def test_gap_narrows_over_the_run_and_a_resumed_one_goes_on():
    class Run:
        loss, step, total_steps = ConsistencyLoss(COSINE), 0, 8

    narrows, seen = ShrinkGap((0.5, 0.25)), []
    narrows.before_train(Run)
    for Run.step in range(1, 9):
        seen.append(Run.loss.gap)
        narrows.after_step(Run)
    assert seen == [0.5] * 4 + [0.25] * 4
    Run.step = 5
    ShrinkGap((0.5, 0.25)).before_train(Run)
    assert Run.loss.gap == 0.25


def test_search_finds_levels_no_worse_than_where_it_began():
    model = Mixture(COSINE, torch.zeros(1, 2), STD, "v")
    sampler, x_T = DDPMSampler(COSINE), drawn(30, 2, 1, 1)
    how = dict(x_T=x_T, clip=None)
    goal = sampler.sample(model, x_T.shape, "dpmpp_2m", 150, spacing="linspace", **how)

    def off(levels):
        x = sampler.sample(model, x_T.shape, "dpmpp_2m", 3, spacing=levels, **how)
        return (x - goal).pow(2).mean().item()

    begin = [180, 170, 160]
    found = search_levels(sampler, model, goal, begin, strides=(20, 5), **how)
    assert begin == [180, 170, 160]
    assert len(found) == 3 and 200 > found[0] > found[1] > found[2] >= 0
    assert off(found) < off(begin) / 10
    for i in range(3):  # no move of the last stride is better
        for step in (-5, 5):
            moved = [*found]
            moved[i] += step
            if all(t > s for t, s in zip([200, *moved], [*moved, -1])):
                assert off(moved) >= off(found)


@pytest.mark.parametrize(
    "wrong, named",
    [
        (dict(gap=0.0), "gap"),
        (dict(gap=math.inf), "gap"),
        (dict(huber=0.0), "huber"),
        (dict(segments=0), "num_steps"),
    ],
)
def test_bad_settings_are_named(wrong, named):
    with pytest.raises(Exception, match=named):
        ConsistencyLoss(COSINE, **wrong)
