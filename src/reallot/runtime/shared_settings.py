"""Keys that adapters share in a configuration file: series, unit, price, quote, and where an adapter is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ..adapters.series import Series, Unit, Zero
from ..engine.contracts.adapter import ProtocolAdapter
from ..engine.contracts.clock import Clock
from ..engine.contracts.values import Record, Window
from ..errors import ConfigurationError
from ..problem import ProtocolSpec


def as_tuple(value: Any) -> Any:
    """TOML has lists only."""
    return tuple(value) if isinstance(value, list) else value


Variable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]{0,63}$")]
"""The name of an environment variable, never a secret itself."""
Pair = Annotated[tuple[Variable, Variable], BeforeValidator(as_tuple)]
Amount = Annotated[float, Field(ge=0.0)]


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty; say where it stands, or leave it out")
    return text


Place = Annotated[str, AfterValidator(_not_empty)]
"""Where something stands: a path, a query, a key."""
Kind = Literal["rate", "counter", "balance", "event", "extrapolation"]
Money = Literal["usd", "cent", "millicent", "micro_usd"]
Native = Literal["usd", "cent", "millicent", "micro_usd", "token", "milli", "gwei", "wei", "points"]


@dataclass(frozen=True)
class BuildPlace:
    """Where an adapter is built: its clock, the moment that relative times count from, the file's folder, a seed.

    share  in force at the start, where something is known of it: for simulated ones
    """

    clock: Clock
    start: datetime
    folder: Path
    seed: int = 0
    share: float | None = None


class Settings(Record):
    """Keys of one adapter; `simulates` where it may run in simulated time.

    Parameters
    ----------
    url
        Where its paths start, without secrets: "http://127.0.0.1:14002".
    share
        Share in force, where it is known by other means and the adapter only reads.
    most
        USD/h, earned or lost, beyond which a unit must be wrong: such a reading is refused.
    timeout
        Longest time for one call.
    min_interval
        Least time between two reads; the last value stands meanwhile.
    cadence
        How often the source itself changes: a value may be so old without being stale.
    restarts
        True where a change interrupts the work.
    bearer_env
        Environment variable with the token for "Authorization: Bearer".
    basic_env
        Environment variables with user and password, as a list of two.
    headers_env
        HTTP header to environment variable with its value.
    params_env
        Query parameter to environment variable with its value.
    """

    simulates: ClassVar[bool] = False
    adapter: ClassVar[str]

    def build(self, name: str, spec: ProtocolSpec | None, place: BuildPlace) -> ProtocolAdapter:
        """The adapter, whose arguments are the keys; raises ConfigurationError."""
        module, kind = self.adapter.split(".")
        make = getattr(import_module(f"..adapters.{module}", __package__), kind)
        made: ProtocolAdapter = make(name, clock=place.clock, **self.given())
        return made

    def variables(self) -> Iterator[str]:
        """The environment variables that are named: by keys that end in _env, and by `env`."""
        yield from _variables(self)

    def given(self) -> dict[str, Any]:
        """The keys that the file has, with their values as the adapter takes them."""
        return {key: getattr(self, key) for key in sorted(self.model_fields_set)}


class SeriesTable(Record):
    """What kind of number it is.

    Parameters
    ----------
    kind
        "rate", "counter", "balance" or "event".
    resets
        When a counter starts again at zero: "month" (the first of each, UTC), "epoch" (at some moment) or "never".
    window
        Time over which differences are taken.
    cadence
        How often the source changes its number: it may stand so long without meaning anything.
    dip
        A counter that falls by less than this part did not start again: something in its sum vanished.
    per
        Length of time that a rate is for: an hour, a day.
    """

    kind: Kind = "rate"
    resets: Literal["month", "epoch", "never"] = "never"
    window: Window = timedelta(hours=1)
    cadence: Window = timedelta(0)
    dip: float = 0.5
    per: Window = timedelta(hours=1)


def _variables(record: Record) -> Iterator[str]:
    for key in type(record).model_fields:
        value = getattr(record, key)
        if isinstance(value, Record):
            yield from _variables(value)
        elif key == "env" or key.endswith("_env"):
            names = value.values() if isinstance(value, dict) else [value] if isinstance(value, str) else value or ()
            yield from names


class PriceTable(Record):
    """Where a price is read: USD for one unit of the protocol's `unit`.

    Parameters
    ----------
    url
        Address of the JSON document, without secrets.
    value
        Path to the price in the answer.
    unit
        What the price is in: usd, cent, millicent or micro_usd.
    every
        Least time between two reads.
    lasts
        How long the last price stands without an answer.
    timeout
        Longest time for one call.
    bearer_env
        Environment variable with the token for "Authorization: Bearer".
    headers_env
        HTTP header to environment variable with its value.
    params_env
        Query parameter to environment variable with its value.
    """

    url: str
    value: str
    unit: Money = "usd"
    every: Window = timedelta(minutes=5)
    lasts: Window = timedelta(hours=1)
    bearer_env: Variable | None = None
    headers_env: dict[str, Variable] = Field(default_factory=dict)
    params_env: dict[str, Variable] = Field(default_factory=dict)
    timeout: Window = timedelta(seconds=10)

    def reader(self) -> Any:
        """A LivePrice; raises ConfigurationError."""
        from ..adapters.price import LivePrice

        return LivePrice(**{key: getattr(self, key) for key in self.model_fields_set})


class Number(Settings):
    """Keys of an adapter that reads one number of any kind.

    Parameters
    ----------
    series
        What the number is: "rate", "counter", "balance" or "event"; or a table with that as `kind` and its details.
    unit
        usd, cent, millicent or micro_usd; token, milli, gwei, wei or points, which need a price. Left out: usd, and
        token where a price is given.
    price
        USD for one token or point: a number, or a table that says where it is read.
    quote
        Where stands what is offered for a full share, also while nothing is held; in the unit of the value, and
        corrected by what is paid.
    zero
        "no answer" where an exact 0 is no reading: what was read before stands meanwhile.
    healthy
        Where true or false (1 or 0) stands: its own verdict.
    demand
        Where the share stands that it has demand for: more would earn nothing.
    time
        Path to the moment that the number is of. A day in place of a moment covers that day.
    time_zone
        Of times without a zone: "Europe/Berlin". Without it they are refused.
    dollars
        True where "$1.75" is a number.
    """

    series: Kind | SeriesTable = "rate"
    unit: Native = "usd"
    zero: Literal["number", "no answer"] = "number"
    healthy: Place | None = None
    demand: Place | None = None
    quote: Place | None = None
    price: Amount | PriceTable | None = None
    most: Amount | None = None
    timeout: Window = timedelta(seconds=10)
    min_interval: Window = timedelta(0)

    @model_validator(mode="after")
    def _can_be_counted(self) -> Self:
        """The series and the unit are possible, and what needs a price has one."""
        try:
            made = self.given()
            unit: Unit = made["unit"]
            if unit.needs_price and self.price is None:
                raise ConfigurationError(
                    f"price is missing: unit {unit.name!r} is counted in USD by one; give USD for one, "
                    'or price = { url = "...", value = "..." }'
                )
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def given(self) -> dict[str, Any]:
        """The same, with series, unit and price as records."""
        table = SeriesTable(kind=self.series) if isinstance(self.series, str) else self.series
        series: Any = table.model_dump()
        arguments = super().given() | {
            "series": Series(**series, zero=Zero(self.zero)),
            "unit": Unit(self._unit(), None if isinstance(self.price, PriceTable) else self.price),
        }
        arguments = {key: value for key, value in arguments.items() if key not in ("price", "zero")}
        if isinstance(self.price, PriceTable):
            if not arguments["unit"].needs_price:
                raise ConfigurationError(f"unit {self.unit!r} is money already; it has no price")
            try:
                arguments["price"] = self.price.reader()
            except ConfigurationError as error:
                raise ConfigurationError(f"price cannot be read: {error}") from None
        return arguments

    def _unit(self) -> str:
        """The unit as written; what has a price and no unit is counted in tokens."""
        return "token" if self.price is not None and "unit" not in self.model_fields_set else self.unit
