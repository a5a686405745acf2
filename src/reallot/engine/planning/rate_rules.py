"""How readings become a rate: half-lives, what is an outlier, how old a reading may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RateRules:
    """How readings become a rate.

    rise_hours, fall_hours
                    half-lives of two running means; the rate is the slow one, or the quick one where that is lower by
                    more than its noise: it rises with the slow one and falls with the quick one
    most_weight     no single reading moves a mean by more than this part of the difference
    outlier_relative, outlier_sigmas
                    a reading is an outlier where it is further from the slow mean than this part of it, and than so
                    many standard deviations of the readings; it counts as if it stood at the nearer border. Larger
                    values let more through
    outlier_count_up, outlier_count_down, outlier_seconds
                    after this many consecutive outliers above or below, spanning at least so many seconds, they are
                    a new level: the rate starts again at their median. Larger values believe it later
    least_share     below this share earnings say nothing about a rate
    settle_seconds  readings so soon after the share changed are not used: they may still be of the share before
    caution_sigmas  noise is so many standard errors, times sqrt(2 ln n) among n protocols (the best of many looks
                    better than it is); what would be added is taken to earn so much less than what is there. Larger
                    values move less
    prior, prior_readings
                    readings are taken to spread as those of all protocols do, relatively, and by `prior` of the rate
                    at the start, until more than so many of their own say otherwise
    fresh_hours, age_hours
                    what would be added to a protocol last seen longer ago than `fresh_hours` is taken to earn less:
                    half after another `age_hours`
    window_hours    a protocol last seen longer ago has no rate
    blocks          the window is kept as so many means, to see how rates spread
    least_blocks    fewer say nothing about confidence
    least_readings  fewer of a protocol move nothing, once others have so many; unless they are as was expected
    first_moves     False where first readings move nothing though no protocol has so many yet: nobody looks at them
    """

    rise_hours: float = 1.0
    fall_hours: float = 0.25
    most_weight: float = 0.5
    outlier_relative: float = 0.5
    outlier_sigmas: float = 6.0
    outlier_count_up: int = 6
    outlier_count_down: int = 4
    outlier_seconds: float = 120.0
    least_share: float = 0.005
    settle_seconds: float = 300.0
    caution_sigmas: float = 2.0
    prior: float = 0.08
    prior_readings: float = 3.0
    fresh_hours: float = 1.0
    age_hours: float = 12.0
    window_hours: float = 24.0
    blocks: int = 24
    least_blocks: int = 6
    least_readings: int = 3
    first_moves: bool = True
