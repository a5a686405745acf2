"""A fleet: hosts by name, what each may do on its own, how large each is, and at which site it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InvalidInput, near_miss
from ...problem import AllocationProblem, Limits
from ...problem.arrays import FloatArray, IntArray
from ...problem.validation import brief, by_name, in_order, known_names, names_in, number
from .hosts import HostTable, not_in_a_fleet, problem_of, table_of

if TYPE_CHECKING:
    import pandas as pd


class Fleet:
    """Many hosts, each with its own problem of one period, that share limits.

    Parameters
    ----------
    hosts
        {name: AllocationProblem}, or a list of problems, which are then named "h0", "h1", ...
    sizes
        {host: units of capacity that a whole share of it is}; 1 where not given. They weigh shared limits only.
    sites
        {host: name of its site}; a host that is left out stands on its own.

    Attributes
    ----------
    hosts
        Names of the hosts, in the order given.
    protocols
        Names of all protocols, in the order in which hosts name them.

    Raises
    ------
    InvalidInput
        Where a name is unknown or a problem is of several periods.

    Examples
    --------
    >>> from reallot import AllocationProblem, Fleet
    >>> host = AllocationProblem({"storj": 2.0, "relay": 1.0}, {"storj": 0.0, "relay": 1.0})
    >>> fleet = Fleet({"attic": host, "cellar": host}, sizes={"cellar": 4})
    >>> fleet.hosts, fleet.protocols, fleet.sizes.tolist()
    (('attic', 'cellar'), ('storj', 'relay'), [1.0, 4.0])
    """

    hosts: tuple[str, ...]
    protocols: tuple[str, ...]

    def __init__(
        self,
        hosts: Mapping[str, AllocationProblem] | Sequence[AllocationProblem],
        *,
        sizes: Mapping[str, float] | None = None,
        sites: Mapping[str, str] | None = None,
    ) -> None:
        problems = _problems(hosts)
        protocols = list(dict.fromkeys(name for problem in problems.values() for name in problem.names))
        table = table_of(list(problems.values()), protocols)
        alone = {h: problem for h, problem in enumerate(problems.values()) if table.alone[h]}
        self._fill(list(problems), protocols, table, alone, sizes, sites)

    def _fill(
        self,
        hosts: Sequence[str],
        protocols: Sequence[str],
        table: HostTable,
        alone: Mapping[int, AllocationProblem],
        sizes: Mapping[str, float] | None,
        sites: Mapping[str, str] | None,
    ) -> None:
        self.hosts, self.protocols, self.table = tuple(hosts), tuple(protocols), table
        self.alone = dict(alone)
        self.sizes = _sizes(sizes, self.hosts)
        self.sites = {} if sites is None else dict(by_name(sites, "sites"))
        known_names(self.sites, self._place, "sites")
        for array in (*vars(table).values(), self.sizes):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        sizes: Mapping[str, float] | None = None,
        horizon_hours: float = 1.0,
        limits: Limits | None = None,
    ) -> Fleet:
        """Make a fleet of a long table with one row for each host and protocol.

        Parameters
        ----------
        frame
            A DataFrame of pandas, or of another library (polars, pyarrow; extra `frames`). Columns are `host`,
            `protocol` and those of ProtocolSpec: `rate` (USD/h per unit of the host's share),
            `current`, `max_share`, `move_cost` and so on. `site` names the site of the host, and `uses.NAME` is the
            use of the resource NAME by one unit of share.
        sizes
            {host: units of capacity}, 1 where not given. They weigh shared limits only.
        horizon_hours
            Hours over which a move must pay.
        limits
            Limits that every host meets on its own.

        Returns
        -------
        Fleet
            The fleet, with hosts and protocols in the order of their first rows.

        Raises
        ------
        InvalidInput
            Where a column is unknown, a row comes twice, or a cell is wrong; the message names host and protocol.

        Examples
        --------
        >>> import pandas as pd
        >>> from reallot import Fleet
        >>> frame = pd.DataFrame({
        ...     "host": ["attic", "attic"], "protocol": ["storj", "relay"], "rate": [2.0, 1.0], "current": [0.0, 1.0]})
        >>> Fleet.from_frame(frame, horizon_hours=24).protocols
        ('storj', 'relay')
        """
        from .frames import read_frame

        read = read_frame(frame, number(horizon_hours, "horizon_hours", 0.0), Limits() if limits is None else limits)
        fleet = cls.__new__(cls)
        fleet._fill(read.hosts, read.protocols, read.table, read.alone, sizes, read.sites)
        return fleet

    @classmethod
    def from_arrays(
        cls,
        rates: ArrayLike,
        current: ArrayLike,
        *,
        hosts: Iterable[str] | None = None,
        protocols: Iterable[str] | None = None,
        sizes: ArrayLike | Mapping[str, float] | None = None,
        sites: Mapping[str, str] | Sequence[str] | None = None,
        horizon_hours: ArrayLike = 1.0,
        uses: Mapping[str, ArrayLike] | None = None,
        **others: Any,
    ) -> Fleet:
        """Make a fleet of arrays (hosts, protocols); they broadcast as those of `allocate_many`.

        Parameters
        ----------
        rates
            USD/h per unit of the host's share.
        current
            Shares now.
        hosts, protocols
            Names; "h0", "h1" and "p0", "p1" where they are not given.
        sizes
            (hosts,) units of capacity, or {host: units}.
        sites
            (hosts,) names of the sites, or {host: site}.
        horizon_hours
            Hours over which a move must pay: one number, or one for each host.
        uses
            {resource: use by one unit of share}, each broadcasting to (hosts, protocols).
        **others
            lower, upper, max_change, held, move_cost, max_turnover and mask, as `allocate_many` takes them.

        Returns
        -------
        Fleet
            The fleet.

        Raises
        ------
        InvalidInput
            Where shapes do not broadcast, a number is NaN, or a name comes twice.

        Examples
        --------
        >>> from reallot import Fleet
        >>> Fleet.from_arrays([[2.0, 1.0], [2.0, 1.5]], [0.0, 1.0], protocols=["storj", "relay"]).hosts
        ('h0', 'h1')
        """
        from .frames import read_arrays

        table = read_arrays(rates, current, horizon_hours, {} if uses is None else uses, others)
        count, size = table.shape
        named = [_names(hosts, "h", count, "hosts"), _names(protocols, "p", size, "protocols")]
        by_host = {} if sizes is None else sizes
        if not hasattr(by_host, "items"):
            by_host = dict(zip(named[0], in_order(by_host, "sizes", "numbers"), strict=True))
        if sites is not None and not hasattr(sites, "items"):
            sites = dict(zip(named[0], names_in(sites, "sites"), strict=True))
        fleet = cls.__new__(cls)
        fleet._fill(named[0], named[1], table, {}, by_host, sites)  # type: ignore[arg-type]
        return fleet

    def part(self, places: IntArray) -> Fleet:
        """Return a fleet of some of the hosts.

        Parameters
        ----------
        places
            Their numbers, from 0.

        Returns
        -------
        Fleet
            The hosts at these places, in this order, with all protocols.
        """
        fleet = Fleet.__new__(Fleet)
        hosts = [self.hosts[h] for h in places.tolist()]
        alone = {new: self.alone[h] for new, h in enumerate(places.tolist()) if h in self.alone}
        sites = {host: self.sites[host] for host in hosts if host in self.sites} if self.sites else {}
        fleet._fill(hosts, self.protocols, self.table.rows(places), alone, None, sites)
        fleet.sizes = self.sizes[places]
        return fleet

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: h for h, name in enumerate(self.hosts)}

    def place(self, host: str) -> int:
        """Return the number of a host, from 0.

        Parameters
        ----------
        host
            Name of the host.

        Returns
        -------
        int
            Its place in `hosts`.

        Raises
        ------
        InvalidInput
            Where there is no such host; the message gives the near miss.
        """
        if host not in self._place:
            raise InvalidInput(f"the fleet has no host {brief(host)}; {near_miss(host, self.hosts)}")
        return self._place[host]

    def problem(self, host: str) -> AllocationProblem:
        """Return what one host may do on its own, as a problem.

        Parameters
        ----------
        host
            Name of the host.

        Returns
        -------
        AllocationProblem
            The problem, ready for `allocate`.

        Examples
        --------
        >>> from reallot import Fleet
        >>> Fleet.from_arrays([[2.0, 1.0]], [[0.0, 1.0]]).problem("h0").current
        {'p0': 0.0, 'p1': 1.0}
        """
        return self.problem_at(self.place(host))

    def problem_at(self, place: int) -> AllocationProblem:
        """Return the problem of the host at a place, from 0.

        Parameters
        ----------
        place
            Number of the host.

        Returns
        -------
        AllocationProblem
            The problem.
        """
        known = self.alone.get(place)
        return problem_of(self.table, place, self.protocols) if known is None else known

    def __len__(self) -> int:
        return len(self.hosts)

    def __repr__(self) -> str:
        return f"<Fleet: {len(self.hosts)} hosts, {len(self.protocols)} protocols>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fleet):
            return NotImplemented
        names = ("hosts", "protocols", "sites", "alone", "table")
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and np.array_equal(self.sizes, other.sizes)

    def __hash__(self) -> int:
        return hash((self.hosts, self.protocols))


def _problems(hosts: Any) -> dict[str, AllocationProblem]:
    """The hosts' problems by name; raises InvalidInput for anything else."""
    if hasattr(hosts, "columns"):
        raise InvalidInput("hosts is a DataFrame; Fleet.from_frame(frame) takes one row per host and protocol")
    if hasattr(hosts, "items"):
        result = dict(by_name(hosts, "hosts"))
    else:
        result = {f"h{h}": problem for h, problem in enumerate(in_order(hosts, "hosts", "AllocationProblem records"))}
    if not result:
        raise InvalidInput("the fleet has no hosts; give at least one")
    for name, problem in result.items():
        if not isinstance(name, str) or not name:
            raise InvalidInput(f"a host's name is {brief(name)}; give a non-empty string")
        if not isinstance(problem, AllocationProblem):
            raise InvalidInput(f"host {name} is {brief(problem)}; give an AllocationProblem")
        if problem.periods != 1:
            raise InvalidInput(f"host {name} plans {problem.periods} periods; a fleet plans one: give periods=1")
        if problem.goal is not None:
            raise InvalidInput(f"host {name} has a goal; a fleet earns the most: leave the goal out")
        if (why := not_in_a_fleet(problem)) is not None:
            raise InvalidInput(f"host {name} has {why}; a fleet cannot weigh that against other hosts: leave it out")
    return result


def _sizes(sizes: Any, hosts: Sequence[str]) -> FloatArray:
    """(hosts,) sizes from a table by host."""
    result = np.ones(len(hosts))
    if sizes is None:
        return result
    table = by_name(sizes, "sizes")
    place = {name: h for h, name in enumerate(hosts)}
    known_names(table, place, "sizes")
    for name, size in table.items():
        result[place[name]] = number(size, f"size of host {name}", 0.0)
    return result


def _names(given: Iterable[str] | None, letter: str, count: int, what: str) -> list[str]:
    if given is None:
        return [f"{letter}{i}" for i in range(count)]
    names = names_in(in_order(given, what, "names"), what)
    if len(names) != count or len(set(names)) != count:
        raise InvalidInput(f"{what} has {len(set(names))} different names for {count} places; give one for each")
    return names
