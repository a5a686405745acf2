"""Problems from files and frames, and back to plain values: TOML, JSON, pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput
from . import AllocationProblem, EarningsCurve, LockIn, ProtocolSpec, Scenarios
from .doors import require_problem
from .protocol_tables import keys_of
from .risk import AnyRisk
from .tables import UNBOUNDED, problem_from_dict
from .tiers import Tiers, plain
from .validation import of_kind

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["problem_from_dict", "problem_from_frame", "problem_to_dict", "read_problem"]


def read_problem(path: str | Path) -> AllocationProblem:
    """Read a problem from a .toml or .json file in UTF-8.

    Parameters
    ----------
    path
        The file; its ending tells the format.

    Returns
    -------
    AllocationProblem
        The problem; its keys are those of `problem_from_dict`.

    Raises
    ------
    InvalidInput
        Where the file cannot be read or a key is wrong; the message names the file and the key.

    Examples
    --------
    >>> import json, tempfile
    >>> from reallot import read_problem
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "problem.json"
    ...     _ = path.write_text(json.dumps({"protocols": {"relay": {"rate": 2.1, "current": 1.0}}}))
    ...     read_problem(path).names
    ('relay',)
    """
    of_kind(path, (str, Path), "the path", "give the name of a .toml or .json file")
    source = Path(path)
    try:
        return problem_from_dict(_parse(source, text_of(source, ".toml or .json")))
    except InvalidInput as error:
        raise InvalidInput(f"{source}: {error}") from None


def problem_to_dict(problem: AllocationProblem) -> dict[str, Any]:
    """Return the problem as plain values, for JSON or TOML.

    Only fields that differ from their defaults are written, and the present share of every protocol.

    Parameters
    ----------
    problem
        The problem to write down.

    Returns
    -------
    dict
        Plain values, from which `problem_from_dict` makes an equal problem.

    Examples
    --------
    >>> from reallot import AllocationProblem, problem_to_dict
    >>> problem_to_dict(AllocationProblem({"relay": 2.1}, {"relay": 1.0}))
    {'protocols': {'relay': {'current': 1.0, 'rate': 2.1}}}
    """
    require_problem(problem)
    result = _differing(problem, skip=("protocols", "current"))
    if problem.capacity is None:
        result["capacity"] = UNBOUNDED
    result["protocols"] = {
        spec.name: {
            "current": problem.current[spec.name],
            **_plain_curve(spec),
            **_differing(spec, skip=("name", "curve")),
        }
        for spec in problem.specs
    }
    return result


def problem_from_frame(frame: pd.DataFrame, **others: Any) -> AllocationProblem:
    """Make a problem of a DataFrame with one protocol per row.

    Parameters
    ----------
    frame
        Rows are protocols, named by the index. Columns are fields of ProtocolSpec, `rate` (USD/h per unit of share)
        and `current` (share now, 0 without the column).
    **others
        The other arguments of AllocationProblem.

    Returns
    -------
    AllocationProblem
        The problem with the protocols in the order of the rows.

    Raises
    ------
    InvalidInput
        Where a column is unknown, a name comes twice, or a required cell is missing.

    Notes
    -----
    A missing cell means "not given" where the field has no number of its own (`max_share`, `move_cost_in` ...), or
    where the other one of rate and curve is given.

    Examples
    --------
    >>> import pandas as pd
    >>> from reallot import problem_from_frame
    >>> frame = pd.DataFrame({"rate": [2.1, 1.7], "current": [0.4, 0.6]}, index=["relay", "compute"])
    >>> problem_from_frame(frame, horizon_hours=24)["relay"].curve.last_slope
    2.1
    """
    return AllocationProblem.from_frame(frame, **others)


# Reading files


def text_of(source: Path, kinds: str) -> str:
    """A file's text (UTF-8); raises InvalidInput, asking for a file of those `kinds` where it is a directory."""
    try:
        return source.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InvalidInput("there is no such file") from None
    except IsADirectoryError:
        raise InvalidInput(f"this is a directory; give a {kinds} file") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _parse(source: Path, text: str) -> Any:
    suffix = source.suffix.lower()
    try:
        if suffix == ".toml":
            import tomllib

            return tomllib.loads(text)
        if suffix == ".json":
            import json

            return json.loads(text, object_pairs_hook=_without_twins)
    except InvalidInput:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"not valid {suffix[1:].upper()}: {error}") from None
    raise InvalidInput(f"the name ends in {suffix!r}; give a .toml or .json file")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys differ: the standard reader would keep the last of two and say nothing."""
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise InvalidInput(f"the key {twice!r} stands twice in one object")
    return result


# From records to plain values


def _differing(record: Any, skip: Sequence[str]) -> dict[str, Any]:
    """The record's fields that are not at their default, as plain values."""
    result = {}
    for field in fields(record):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        value = getattr(record, field.name)
        if field.name not in skip and value != default:
            result[field.name] = _plain(value)
    return result


def _plain(value: Any) -> Any:
    """Numbers, text, lists and tables only; None where a field is None."""
    if isinstance(value, EarningsCurve):
        return _plain_points(value)
    if isinstance(value, Tiers):
        return plain(value)
    if isinstance(value, (AnyRisk, Scenarios, LockIn)):
        return {key: _plain(getattr(value, key)) for key in keys_of(type(value)) if getattr(value, key) is not None}
    if hasattr(type(value), "__dataclass_fields__"):
        return _differing(value, skip=())
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


def _plain_curve(spec: ProtocolSpec) -> dict[str, Any]:
    """The curve under the key it is read from: rate where it is flat in every period."""
    points = [_plain_points(curve) for curve in spec.curves]
    key = "rate" if all(curve.is_flat for curve in spec.curves) else "curve"
    return {key: points if isinstance(spec.curve, tuple) else points[0]}


def _plain_points(curve: EarningsCurve) -> Any:
    """A rate, a list of points, or a table where the curve goes on rising beyond its last point."""
    if curve.is_flat:
        return curve.last_slope
    points = curve.points()
    if points is not None:
        return points
    return {"shares": list(curve.shares), "earnings": list(curve.earnings), "last_slope": curve.last_slope}
