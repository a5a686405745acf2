"""POST /v1/solve: a problem as in a file, solved in a process of its own, which is ended where it takes too long."""

from __future__ import annotations

import json

import pytest

from reallot import allocate, problem_from_dict
from reallot.service.client import EngineClient
from reallot.service.problems import Problem
from reallot.service.solver_process import MOST_PROTOCOLS, SolverProcess, _answer
from tests.service.conftest import Asked

PAIR = {"protocols": {"relay": {"rate": 2.0, "current": 0.5}, "compute": {"rate": 3.0, "current": 0.5}}}
IMPOSSIBLE = {"protocols": {"relay": {"rate": 1.0, "current": 1.0, "max_share": 0.5}}}


def untimed(table):
    """A plan without the seconds that it took."""
    return {key: value for key, value in table.items() if key != "timings"}


RIGHT = untimed(json.loads(allocate(problem_from_dict(PAIR)).to_json()))


def test_an_answer_is_the_plan_or_the_librarys_own_sentence():
    status, _, text, _ = _answer(allocate, PAIR, 2.0)
    assert status == 200 and untimed(json.loads(text)) == RIGHT
    status, kind, said, more = _answer(allocate, IMPOSSIBLE, 2.0)
    assert (status, kind) == (422, "infeasible") and more["conflict"]["rules"] and "max_share" in said
    status, kind, said, _ = _answer(allocate, {"protocols": {"relay": {"rat": 1.0}}}, 2.0)
    assert (status, kind) == (422, "invalid") and "did you mean 'rate'?" in said


def test_a_fault_of_ours_ends_nothing_and_tells_nothing_of_the_problem():
    def fails(*_, **__):
        raise RuntimeError("secret-number-17")

    assert _answer(fails, PAIR, 2.0)[:3] == (500, "bug", "the solver failed: RuntimeError")


def test_too_many_protocols_begin_no_process():
    solver = SolverProcess()
    with pytest.raises(Problem, match="201 protocols; at most 200"):
        solver.solve({"protocols": {f"p{number}": {} for number in range(MOST_PROTOCOLS + 1)}})
    assert solver._process is None
    solver.close()


def test_where_it_is_not_configured_nothing_is_solved(asked):
    with asked.client() as client:
        answer = client.post("/v1/solve", json=PAIR)
        assert answer.status_code == 404 and "solve = true under [service]" in answer.json()["detail"]
        assert client.post("/v1/solve", json=[1]).status_code == 422
    with asked.client(None) as client:
        assert client.post("/v1/solve", json=PAIR).status_code == 401


@pytest.mark.slow
def test_problems_are_solved_one_after_another_and_one_that_takes_long_is_ended():
    solver = SolverProcess(seconds=60.0)
    asked = Asked(solver=solver)
    try:
        with asked.client() as client:
            client.timeout = 60.0
            found = client.post("/v1/solve", json=PAIR)
            assert found.status_code == 200 and untimed(found.json()) == RIGHT
            with EngineClient(asked.server.url, asked.secrets["read"]) as engine:
                assert untimed(engine.solve(PAIR)) == RIGHT
            assert client.post("/v1/solve", json=IMPOSSIBLE).json()["conflict"]["rules"]
            first = solver._process.pid
            solver._seconds = 0.0
            assert client.post("/v1/solve", json=PAIR).json()["type"].endswith("/slow")
            solver._seconds = 60.0
            assert client.post("/v1/solve", json=PAIR).status_code == 200 and solver._process.pid != first
            solver._process.kill()
            solver._process.join()
            assert client.post("/v1/solve", json=PAIR).status_code == 200
    finally:
        asked.close()
    assert solver._process is None
