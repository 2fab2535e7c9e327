"""Estimations in cities: tables and map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.report.plotting.cities import UNSEEN, Panel, city_figure
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.store import Place, label_of
from vlmrt_dist.studies import Case, Finding, Surveyed, finding, seen_by

SHORT = {"simple_street_canyon": "canyon", "san_francisco": "s. francisco"}


def cities_table(
    found: Sequence[Surveyed], places: Mapping[str, SceneModel], radio: RadioConfig
) -> Any:
    """A rich table of verdicts and errors, for each scene and placement.

    :param places: scenes by name
    """
    from rich.table import Table

    case = found[0].case
    title = (
        f"Verdicts and errors: D = {radio.max_depth}, noise {case.noise_db:g} dB, protocol "
        f"{case.protocol}, {case.loss}, {len(case.seeds)} seeds: median "
        f"(least…most); errors in %, prior ± {100 * case.prior_width:g} %"
    )
    table = Table(title=title, title_justify="left")
    for name in ("scene", "positions", "K", "fixed", "heard", "paths", "seen", "estimated",
                 "weak", "unident.", "contradict", "MRE est.", "prior", "MRE seen", "prior",
                 "in 95 %"):  # fmt: skip
        left = name in ("scene", "positions")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for each in found:
        prior = places[each.case.scene].conductivity(radio.frequency)
        findings = [finding(row, prior) for row in each.rows]
        planned = (label_of(each.timing) or {})["planned"]
        table.add_row(
            _short(each.case), each.case.strategy, str(each.timing.num_objects),
            str(findings[0].verdicts["fixed"]), f"{each.rows[0].num_links}/{planned}",
            str(each.timing.num_paths), *_cells(findings),
        )  # fmt: skip
    return table


def _cells(some: Sequence[Finding]) -> list[str]:
    return [
        f"{np.median([f.num_seen for f in some]):.0f}",
        _spread([f.verdicts["estimated"] for f in some], digits=".0f"),
        f"{np.median([f.verdicts['weak'] for f in some]):.0f}",
        f"{np.median([f.verdicts['not_identified'] for f in some]):.0f}",
        _spread([f.num_contradicting for f in some], digits=".0f"),
        _spread([f.mre for f in some], 100.0),
        f"{_middle([f.prior_mre for f in some]):.2g}",
        _spread([f.seen_mre for f in some], 100.0),
        f"{_middle([f.seen_prior_mre for f in some]):.2g}",
        _spread([f.coverage for f in some], 100.0, ".0f"),
    ]


def cities_cost_table(found: Sequence[Surveyed]) -> Any:
    """A rich table of times and memory, for each scene and placement."""
    from rich.table import Table

    table = Table(title="Seconds; positions include the tracing of their pool",
                  title_justify="left")  # fmt: skip
    for name in ("scene", "positions", "triangles", "load", "choose positions", "trace links",
                 "all of the study", "one fit", "steps", "peak [GB]", "load average"):  # fmt: skip
        table.add_column(name, justify="left" if name in ("scene", "positions") else "right")
    for each in found:
        timing, label = each.timing, label_of(each.timing) or {}
        table.add_row(
            _short(each.case), each.case.strategy, str(label["triangles"]),
            f"{timing.seconds_scene:.1f}", f"{label['positions_s']:.1f}",
            f"{timing.seconds_trace:.1f}", f"{label['study_s']:.1f}", f"{timing.seconds_fit:.2f}",
            str(timing.iterations), f"{timing.peak_bytes / 1e9:.2f}", f"{label['busy']:.1f}",
        )  # fmt: skip
    return table


def cities_figure(
    found: Sequence[Surveyed], places: Mapping[str, SceneModel], path: Place
) -> Place:
    """Draw the first seed of each scene's last placement.

    :param places: scenes by name
    """
    panels = {}
    for each in found:
        row, scene = each.rows[0], places[each.case.scene]
        seen = seen_by(row)
        kinds = [
            UNSEEN if v == "not_identified" and not s else v
            for v, s in zip(row.verdict, seen, strict=True)
        ]
        tx = np.array(row.tx).reshape(-1, 3)
        rx = np.array(row.rx).reshape(len(tx), -1, 3)
        title = (
            f"{each.case.scene}, {each.case.strategy}: {row.verdict.count('estimated')} estimated, "
            f"{int(seen.sum())} seen of {scene.num_objects - row.verdict.count('fixed')}"
        )
        panels[each.case.scene] = Panel(title, scene, Campaign(tx, rx), kinds)
    return city_figure(list(panels.values()), path)


def _short(case: Case) -> str:
    return SHORT.get(case.scene, case.scene)


def _spread(values: Sequence[float], scale: float = 1.0, digits: str = ".2g") -> str:
    """Median, and the range of the seeds."""
    numbers = scale * np.array(values)
    if not np.isfinite(numbers).any():
        return "-"
    low, middle, high = np.nanmin(numbers), np.nanmedian(numbers), np.nanmax(numbers)
    text = f"{middle:{digits}}"
    return text if low == high else f"{text} ({low:{digits}}…{high:{digits}})"


def _middle(values: Sequence[float]) -> float:
    return 100.0 * float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
