"""Remarks beside the tables of an estimate, a sentence a line."""

from __future__ import annotations

import math

import numpy as np

from vlmrt_dist.console import MOST_NAMES, listed
from vlmrt_dist.inference.estimate_values import EstimateValues
from vlmrt_dist.inference.posterior import MIN_NOISE_DB
from vlmrt_dist.inference.quantities import QuantityEstimate
from vlmrt_dist.inference.result_tables import MAX_SOLUTIONS
from vlmrt_dist.inference.wording import verdict_sentences

MAX_PAIRS = 10
"""Most pairs of inseparable unknowns that are named."""

MOST_FACTOR = 1e4
"""A prior that allows more either way stands for none."""

MISFIT = 30.0
"""Residuals so many times the declared noise mean a wrong model, not a bad day."""

BADLY_AIMED = 3.0
"""Residuals so many times the declared noise may mean an antenna that looks elsewhere."""

NOTABLE = 0.3
"""Errors of the model's own numbers beyond this share of the noise are worth avoiding."""

EFFECTIVE = (
    "The values are effective ones, with which this model comes nearest to the levels: they "
    "contain what it lacks (layers, furniture, exact positions)"
)
"""Meaning of the values where the levels scatter more than the receiver does."""


def remarks_of(result: EstimateValues) -> list[str]:
    """All remarks on an estimate, one sentence a line."""
    total = sum(result.seconds.values())
    lines = [
        f"{result.outcome} after {result.iterations} "
        f"{'evaluations' if result.optimizer == 'levenberg_marquardt' else 'iterations'} "
        f"({result.optimizer}, {result.engine}, {result.combining} combining, {result.protocol}); "
        f"{total:.2f} s, of which tracing {result.seconds.get('trace', 0.0):.2f} s "
        f"and fitting {result.seconds.get('fit', 0.0):.3f} s",
    ]
    lines += _residuals(result) + _observable_remarks(result)
    if result.outcome != "converged":
        lines.append(
            "the optimizer has not converged; the intervals say what the links tell, not how "
            "far it was from the end. Allow more with --max-iterations (max_iterations of Adam, "
            "max_evaluations of LevenbergMarquardt)"
        )
    if result.search:
        lines.append(f"other minima: {result.search}")
    lines += _prior_widths(result) + _doubts(result) + _ambiguities(result)
    if result.noise_db <= MIN_NOISE_DB:
        lines.append("no noise was declared, so the levels count as exact to 0.001 dB")
    if math.isnan(result.noise_scale):
        lines.append(
            "there are too few links to judge the noise; the intervals believe the declared one"
        )
    if result.noise_scale > 1.05:
        lines.append(
            f"the residuals are {result.noise_scale:.1f} times the declared noise; the intervals "
            f"are widened by that. {EFFECTIVE}"
        )
    lines += _misfit(result) + _scattering_remarks(result)
    lines += _clutter_remarks(result)
    if result.ties:
        some = [str(tie) for tie in result.ties[:MOST_NAMES]]
        more = len(result.ties) - len(some)
        lines.append("tied: " + "; ".join(some) + (f"; and {more} more" if more else ""))
    lines += _bounds(result)
    if 0 <= result.complete_to < result.max_depth:
        lines.append(
            f"the path search passed its budget: of the paths with more than "
            f"{result.complete_to} interactions some may be missing; lower max_depth or "
            "max_reflections"
        )
    if result.num_fragile:
        passes = "passes" if result.num_fragile == 1 else "pass"
        lines.append(
            f"{result.num_fragile} of {result.num_paths} paths {passes} within 0.1 mm of an edge; "
            "which of them exist depends on the accuracy of the scene"
        )
    lines += _other_solutions(result)
    said = verdict_sentences(result.names, result.calibration.quantities)
    if result.layers is not None:
        said += verdict_sentences(result.layers.names, result.layers.quantities)
    # What both say is said once, at the end.
    return lines + list(dict.fromkeys(reversed(said)))[::-1]


def _misfit(result: EstimateValues) -> list[str]:
    """Levels that the model does not explain."""
    if result.noise_scale > MISFIT:
        return [
            "the model does not explain the levels; check frequency, transmit power, units "
            "(dBm, metres), the scene, and that the noise is declared"
        ]
    if result.noise_scale > BADLY_AIMED and result.directional:
        return [
            "the model does not explain the levels; antennas of the campaign are directional, and "
            "their orientations were taken as stated: check them, or let them be unknown "
            "(--orientation-deg 20)"
        ]
    return []


def _prior_widths(result: EstimateValues) -> list[str]:
    """Factors that the priors on the conductivities allow either way at 95 %, by material."""
    factors: dict[str, float] = {}
    for k, verdict in enumerate(result.verdict):
        if verdict != "fixed" and result.prior[k] > 0.0:
            factor = float(result.prior_high[k] / result.prior[k])
            factors[result.materials[k]] = max(factor, factors.get(result.materials[k], 0.0))
    if result.optimizer != "levenberg_marquardt" or not factors:
        return []
    if max(factors.values()) > MOST_FACTOR:
        return []
    frequency = f"{result.frequency / 1e9:g}e9"
    words = [f"{material} × {factor:.2g}" for material, factor in factors.items()]
    return [
        f"priors either way at 95 %: {listed(words)} (vlmrt materials --frequency "
        f"{frequency} lists published measurements)"
    ]


def _doubts(result: EstimateValues) -> list[str]:
    """Contradictions of the priors, those of one class in one sentence."""
    lines = []
    for material in dict.fromkeys(result.materials):
        some = [
            name for name, of, wrong
            in zip(result.names, result.materials, result.contradicts_prior, strict=True)
            if wrong and of == material
        ]  # fmt: skip
        if some:
            one = len(some) == 1
            rests = "Its interval rests" if one else "Their intervals rest"
            lines.append(
                f"the levels contradict the prior of {listed(some)} ({material}); check "
                f"{'its' if one else 'their'} material. {rests} on a wider prior"
            )
    layers = {} if result.layers is None else result.layers.quantities
    names = () if result.layers is None else result.layers.names
    lines += [_contradicted(n, result.names, q) for n, q in result.others.items()]
    lines += [_contradicted(n, names, q, of="layer ") for n, q in layers.items()]
    return [line for line in lines if line]


def _clutter_remarks(result: EstimateValues) -> list[str]:
    """Scatter and loss along the paths, as found."""
    lines = []
    if result.clutter is not None and result.clutter.fitted:
        lines.append(
            f"clutter, what the scene lacks: the levels scatter by {result.clutter.value:.2g} dB "
            f"times the root of the path's length in metres (95 %: {result.clutter.low:.2g} to "
            f"{result.clutter.high:.2g}) beside their declared noise; all intervals contain that. "
            + EFFECTIVE
        )
    if result.excess_loss is not None:
        value, low, high, _, _ = result.excess_loss
        if low > 0.0:
            why = "levels lose more than in the model, as among furniture"
        elif high < 0.0:
            why = (
                "levels lose less than in the model, which lacks deeper or diffuse paths; do "
                "not trust it beyond the lengths that were measured"
            )
        else:
            why = "none is as likely, and the intervals contain that"
        ends = f"95 %: {low:.2g} to {high:.2g}"
        lines.append(f"excess loss: {value:.2g} dB a metre of path ({ends}): {why}")
    return lines


def _bounds(result: EstimateValues) -> list[str]:
    """Links whose levels are bounds, and those that were not used."""
    lines = []
    if result.num_censored:
        lines.append(
            f"{result.num_censored} links lie below their receiver's floor, and count as that"
        )
    if result.num_saturated:
        lines.append(
            f"{result.num_saturated} links saturate their receiver, and count as levels at or "
            "above the one reported"
        )
    if result.num_unheard:
        lines.append(
            f"{result.num_unheard} of {result.num_links} measured links have no traced path and "
            "were not used"
        )
    return lines


def _ambiguities(result: EstimateValues) -> list[str]:
    """Unknowns that the links cannot separate, by name."""
    lines = []
    unsure = [
        name
        for name, verdict in zip(result.names, result.verdict, strict=True)
        if verdict not in ("estimated", "fixed")
    ]
    if result.layers is not None:
        for quantity in result.layers.quantities.values():
            for name, verdict in zip(result.layers.names, quantity.verdict, strict=True):
                if verdict not in ("estimated", "fixed") and name not in unsure:
                    unsure.append(name)
    heard = result.num_links - result.num_unheard
    if heard < result.num_unknowns:
        lines.append(
            f"under-determined: {heard} links cannot tell {result.num_unknowns} unknowns, and "
            f"determine {result.determined:.1f}; the prior decides in part about "
            + (listed(unsure) or "the others")
        )
    elif result.determined < result.num_unknowns - 0.5 and unsure:
        lines.append(
            f"the links determine {result.determined:.1f} of {result.num_unknowns} unknowns; the "
            f"prior decides in part about {listed(unsure)}"
        )
    if result.entangled:
        pairs = [f"{one} and {other}" for one, other in result.entangled[:MAX_PAIRS]]
        more = len(result.entangled) - len(pairs)
        lines.append(
            "only their combination is determined: "
            + "; ".join(pairs)
            + (f"; and {more} more pairs" if more else "")
        )
    return lines


def _other_solutions(result: EstimateValues) -> list[str]:
    """A line on the solutions that the table leaves out."""
    rest = result.solutions[MAX_SOLUTIONS:]
    if not rest:
        return []
    share = sum(each.weight for each in rest)
    return [
        f"{len(rest)} further solutions hold {share:.0%} of the probability together; all of "
        "them are in --json (estimate.solutions)"
    ]


def _contradicted(
    name: str, names: tuple[str, ...], quantity: QuantityEstimate, of: str = ""
) -> str:
    """Whose prior of one quantity the levels contradict; empty if nobody's."""
    some = [names[k] for k in np.flatnonzero(quantity.contradicts_prior)]
    if not some:
        return ""
    rests = "its interval rests" if len(some) == 1 else "their intervals rest"
    return (
        f"the levels contradict the prior of the {name.replace('_', ' ')} of {of}{listed(some)}; "
        f"{rests} on a wider prior"
    )


def _scattering_remarks(result: EstimateValues) -> list[str]:
    """How well the points of surfaces know what is scattered."""
    found = result.scattering_error
    if found is None or not found.num_links:
        return []
    line = (
        f"what surfaces scatter is summed over {found.points} points a setup, which leaves an "
        f"error of {found.rms_db:.2g} dB in the levels ({found.num_links} links; "
        f"{found.worst_db:.2g} dB in the worst)"
    )
    if found.rms_db > NOTABLE * result.noise_db:
        line += (
            f". The noise is {result.noise_db:.2g} dB: give more points (--scattering-points, "
            "RadioConfig.scattering_points); four times as many leave about a quarter of the error"
        )
    return [line]


def _residuals(result: EstimateValues) -> list[str]:
    """Residual of the levels, where any was measured."""
    if math.isnan(result.residual_db):
        return []
    text = f"residual {_db(result.residual_db)} over {_num_levels(result)} links"
    if math.isnan(result.held_out_db):
        return [text]
    return [f"{text}; held-out links {_db(result.held_out_db)}"]


def _num_levels(result: EstimateValues) -> int:
    if result.observables:
        return int(np.isfinite(result.links.residual_db).sum())
    return result.num_links - result.num_unheard


def _observable_remarks(result: EstimateValues) -> list[str]:
    """Residuals of the observables beside received powers, and offsets of the delays."""
    lines = []
    for each in result.observables:
        unit = "" if each.unit == "1" else f" {each.unit}"
        line = (
            f"residual of the {each.name} {each.residual:.3g}{unit} over {each.num_used} values, "
            f"{each.standardised:.2f} times the declared noise"
        )
        if each.num_censored:
            line += f"; {each.num_censored} of them at or below the receiver's floor"
        if each.num_unused:
            line += f"; {each.num_unused} were left out, since no path of the model reaches them"
        lines.append(line)
    offsets = result.delay_offsets
    if offsets is not None:
        lines.append(
            f"offsets of the delays: {len(offsets.value)}, from {offsets.value.min():.2f} to "
            f"{offsets.value.max():.2f} ns, median uncertainty {np.median(offsets.std):.2f} ns"
        )
    return lines


def _db(value: float) -> str:
    return f"{value:.2g} dB"
