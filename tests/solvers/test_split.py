"""One capacity split on plain arrays: sorting and sampling agree, prices prove it, ties go to no trade."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reallot import AllocationProblem, Limits, ProtocolSpec
from reallot.formulation.evaluate_arrays import ByArrays
from reallot.solvers.interface.eligibility import all_or_nothing, chosen, coupled
from reallot.solvers.interface.result import NoFeasibleSplit
from reallot.solvers.kernels import split as module
from reallot.solvers.kernels.split import Split, split
from reallot.solvers.single_period import concave_curves
from tests.strategies import KINDS, LINEAR, budget, problems

WAYS = {"sorting": 10**9, "sampling": 1}
"""Number of protocols from which a sample is taken."""


@dataclass(frozen=True)
class Asked:
    """The arguments of `split`; slopes and shares on a grid, so that many are equal."""

    arrays: tuple[np.ndarray, ...]
    capacity: float
    idle: bool
    max_bought: float
    max_sold: float

    def answer(self, way: str) -> Split | NoFeasibleSplit:
        """The answer by sorting everything or by sampling first."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "MANY", WAYS[way])
            patch.setattr(module, "SAMPLE", min(4, self.arrays[0].size) if way == "sampling" else module.SAMPLE)
            return split(
                *self.arrays,
                self.capacity,
                rank=lambda: np.arange(self.arrays[0].size)[::-1],
                idle=self.idle,
                max_bought=self.max_bought,
                max_sold=self.max_sold,
            )

    def worth(self, shares: np.ndarray) -> float:
        """Worth of the change from the share without any trade; what the box forces is the same in every answer."""
        buy, sell, current, low, high = self.arrays
        change = shares - np.minimum(np.maximum(current, low), np.maximum(low, high))
        return float((np.where(change > 0.0, buy, sell) * change).sum())


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    size = draw(st.integers(1, 12))
    numbers = st.lists(st.integers(0, 10), min_size=size, max_size=size).map(lambda values: np.array(values) / 10.0)
    rate, cost, current = draw(numbers) - 0.3, draw(numbers) / 5.0, draw(numbers)
    low, high = np.maximum(current - draw(numbers), 0.0), current + draw(numbers)
    if draw(st.booleans()):  # a start outside its box
        low, high = low + 0.1, np.maximum(low + 0.1, high - 0.2)
    if draw(st.booleans()) and current.sum() > 0.0:
        scale = 1.0 / current.sum()
        current, low, high = current * scale, low * scale, high * scale
    capacity = draw(st.sampled_from([1.0, float(current.sum()), 0.5, 3.0]))
    limit = draw(st.sampled_from([np.inf, np.inf, 0.0, 0.1, 0.35]))
    return Asked((rate - cost, rate + cost, current, low, high), capacity, draw(st.booleans()), limit, limit)


@given(asked())
def test_sorting_and_sampling_give_the_same(question: Asked) -> None:
    answers = {way: question.answer(way) for way in WAYS}
    assert len({isinstance(answer, NoFeasibleSplit) for answer in answers.values()}) == 1
    split_answers = [answer for answer in answers.values() if not isinstance(answer, NoFeasibleSplit)]
    for answer in split_answers[1:]:
        assert answer.shares == pytest.approx(split_answers[0].shares, abs=1e-12)
        assert question.worth(answer.shares) == pytest.approx(question.worth(split_answers[0].shares), abs=1e-12)


@given(asked())
def test_an_answer_keeps_every_limit_and_its_prices_prove_it(question: Asked) -> None:
    answer = question.answer("sorting")
    if isinstance(answer, NoFeasibleSplit):
        return
    buy, sell, current, low, high = question.arrays
    shares, middle = answer.shares, np.minimum(np.maximum(current, low), np.maximum(low, high))
    assert (shares >= low - 1e-12).all() and (shares <= high + 1e-9).all()
    excess = shares.sum() - question.capacity
    assert excess <= 1e-9 if question.idle else abs(excess) <= 1e-9
    change = shares - current
    assert np.maximum(change, 0.0).sum() <= question.max_bought + 1e-9
    assert np.maximum(-change, 0.0).sum() <= question.max_sold + 1e-9
    _, price, bought, sold = answer
    assert bought >= 0.0 and sold >= 0.0 and (price >= 0.0 or not question.idle)
    up = np.maximum((buy - price - bought) * (high - middle), 0.0).sum()
    down = np.maximum((price - sold - sell) * (middle - low), 0.0).sum()
    forced = middle - current
    bound = up + down + price * (question.capacity - middle.sum())
    bound += bought * (min(question.max_bought, 1e9) - np.maximum(forced, 0.0).sum()) if bought else 0.0
    bound += sold * (min(question.max_sold, 1e9) - np.maximum(-forced, 0.0).sum()) if sold else 0.0
    assert bound - question.worth(shares) <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@budget(0.3)
@given(data=st.data())
def test_what_is_plain_by_its_flags_has_no_reason_against_it_in_words(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    if concave_curves.is_plain(problem):
        words = [coupled(problem, "exact"), chosen(problem), all_or_nothing(problem)]
        assert (problem.periods, words) == (1, [None] * 3)
    else:
        assert kind not in LINEAR or problem.arrays.curved or problem.risk is not None


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINEAR)
@budget(1.0)
@given(data=st.data())
def test_the_matching_behind_all_slopes_has_the_same_answer(kind: str, data: st.DataObject) -> None:
    problem = data.draw(problems(kind))
    found, matched = concave_curves.solve(problem), concave_curves.match(problem)
    assert isinstance(found, NoFeasibleSplit) == isinstance(matched, NoFeasibleSplit)
    if not isinstance(found, NoFeasibleSplit) and not isinstance(matched, NoFeasibleSplit):
        judge = ByArrays(problem)
        worths = [judge.worth(judge.at(shares[None, :])) for shares in (found.shares, matched.shares)]
        assert worths[0] == pytest.approx(worths[1], abs=1e-12 * max(judge.scale, abs(worths[0])))


@pytest.mark.parametrize("size", [20, 3000, 12_000])
def test_with_everything_tied_nothing_moves_and_the_sum_is_exact(size: int) -> None:
    same, current = np.full(size, 0.7), np.random.default_rng(size).dirichlet(np.ones(size))
    answer = split(same, same, current, 0.0 * current, 2.0 * current, 1.0)
    assert not isinstance(answer, NoFeasibleSplit)
    assert np.abs(answer.shares - current).max() <= 1e-12
    assert answer.shares.sum() == pytest.approx(1.0, abs=1e-12)


def test_what_ties_is_bought_by_rank() -> None:
    rates, current = np.array([1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    top = np.array([0.5, 0.5, 1.0])
    for rank, shares in (([0, 1, 2], [0.5, 0.2, 0.3]), ([1, 0, 2], [0.2, 0.5, 0.3])):
        answer = split(rates, rates, current, np.array([0.0, 0.0, 0.3]), top, 1.0, rank=lambda r=rank: np.array(r))
        assert not isinstance(answer, NoFeasibleSplit)
        assert answer.shares.tolist() == pytest.approx(shares)


def test_names_break_ties_whatever_the_number_of_protocols() -> None:
    for size in (5, 50):
        names = [f"p{(7 * i) % size:02d}" for i in range(size)]
        current = dict.fromkeys(names, 0.0) | {names[0]: 1.0}
        specs = [ProtocolSpec(name, 0.0 if name == names[0] else 1.0, max_share=1.0) for name in names]
        problem = AllocationProblem(specs, current, limits=Limits(max_change={names[0]: 0.5}))
        found = concave_curves.solve(problem)
        assert not isinstance(found, NoFeasibleSplit)
        first = min(name for name in names if name != names[0])
        assert found.shares[names.index(first)] == pytest.approx(0.5)


def test_a_sample_that_misleads_costs_time_only() -> None:
    """All the width is in one piece that a sample of the others hardly ever sees."""
    size = 12_000
    rates = np.linspace(1.0, 2.0, size)
    current, top = np.zeros(size), np.full(size, 1e-9)
    current[123], top[123], top[7] = 1.0, 1.0, 0.6
    answer = split(rates, rates, current, 0.0 * current, top, 1.0)
    assert not isinstance(answer, NoFeasibleSplit)
    best = 1e-9 * rates[np.arange(size) > 123].sum()
    left = 1.0 - 1e-9 * (size - 124)
    assert rates @ answer.shares == pytest.approx(best + left * rates[123], abs=1e-12)
