"""Where each equation, algorithm line, prompt, table and figure of the paper is here."""

from __future__ import annotations

from typing import NamedTuple


class Item(NamedTuple):
    """A part of the paper, and what stands for it here.

    :param name: as the paper calls it
    :param subject: in a few words
    :param module: where it is in this package
    :param sweep: whose rows show it; empty: none
    """

    name: str
    subject: str
    module: str
    sweep: str = ""


ITEMS = (
    Item("Equations (1), (2)", "geometry Σ of K objects, conductivities σ", "scene.SceneModel"),
    Item("Equations (3), (4)", "positions P, levels r of M trials (setups)", "campaign.Campaign"),
    Item("Equation (5)", "configuration C", "campaign.RadioConfig.paper"),
    Item("Equation (6)", "levels by ray tracing", "field.ReplayObjective, field.RetraceObjective"),
    Item("Equations (7), (9)", "the inverse problem", "estimate"),
    Item("Equation (8)", "loss", "field.power_loss"),
    Item("Equations (10), (11)", "descent from a start; Adam as in the experiments",
         "inference.run_adam"),
    Item("Equations (12), (13)", "convergence, stop rule", "inference.StopRule"),
    Item("Equation (14)", "start and positions that save time", "placement.place", "placement"),
    Item("Equation (15), Prompt 1", "materials by a vision-language model",
         "vlm.propose_materials", "initialization"),
    Item("Equation (16), Prompt 2", "positions by a vision-language model",
         "vlm.propose_positions", "placement"),
    Item("Equation (17)", "mean relative error", "inference.mean_relative_error"),
    Item("Algorithm 1, line 3", "start of the descent", "inference.initial_conductivity",
         "initialization"),
    Item("Algorithm 1, line 4", "positions", "placement.place", "positions"),
    Item("Algorithm 1, line 5", "measured levels", "simulate"),
    Item("Algorithm 1, lines 6 to 12", "levels, loss, gradient, step",
         "field.ReplayObjective.value_and_grad, inference.run_adam", "depth"),
    Item("Algorithm 1, lines 13 to 18", "stop and answer", "inference.run_adam", "readings"),
    Item("Table 1", "depth", "studies.Point", "depth"),
    Item("Table 2", "number of rays", "studies.Point", "rays"),
    Item("Tables 1 and 2", "what the paper leaves open", "inference.READINGS", "readings"),
    Item("Figure 1a", "time against objects", "studies.measure", "complexity"),
    Item("Figure 1b", "time against setups", "studies.measure", "complexity"),
    Item("Figure 2", "overview", "estimate"),
    Item("Figure 3", "convergence from different starts", "inference.run_adam", "initialization"),
    Item("Figure 4", "error of the starts", "inference.initial_conductivity", "initialization"),
    Item("Figure 5", "positions and starts", "placement.place", "placement"),
    Item("Figure 6", "number of receivers", "placement.place", "receivers"),
    Item("Figure 7", "rendered rooms", "rendering.render_scene", "rooms"),
    Item("Figure 8", "positions selected", "placement.place", "positions"),
)  # fmt: skip
"""The paper in its order, tables and figures last."""
