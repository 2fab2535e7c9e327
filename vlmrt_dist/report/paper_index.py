"""Where each equation, algorithm line, prompt, table and figure of the paper is here."""

from __future__ import annotations

from typing import NamedTuple


class Item(NamedTuple):
    """A part of the paper, and what stands for it here.

    :param name: as the paper calls it
    :param subject: in a few words
    :param module: where it is in this package
    :param sweep: whose rows show it; empty: none
    :param command: that runs it where no sweep does
    :param result: what came out, beside the paper's, from the default seeds of the sweep
    """

    name: str
    subject: str
    module: str
    sweep: str = ""
    command: str = ""
    result: str = ""


ITEMS = (
    Item("Abstract", "2 to 4 times faster, 10 to 100 times less error", "report.claims_of",
         command="vlmrt report results", result="see Figures 3 and 5"),
    Item("Equations (1), (2)", "geometry Σ of K objects, conductivities σ", "scene.SceneModel",
         command="vlmrt export-scene"),
    Item("Equations (3), (4)", "positions P, levels r of M trials (setups)", "campaign.Campaign",
         command="vlmrt simulate"),
    Item("Equation (5)", "configuration C", "campaign.RadioConfig.paper"),
    Item("Equation (6)", "levels by ray tracing", "field.ReplayObjective, field.RetraceObjective",
         command="vlmrt simulate"),
    Item("Equations (7), (9)", "the inverse problem", "estimate", command="vlmrt estimate"),
    Item("Equation (8)", "loss", "field.power_loss"),
    Item("Equations (10), (11)", "descent from a start; Adam as in the experiments",
         "inference.run_adam", command="vlmrt estimate --optimizer adam"),
    Item("Equations (12), (13)", "convergence, stop rule", "inference.StopRule", "readings",
         result="as printed, (13) is never met within 1000 iterations"),
    Item("Equation (14)", "start and positions that save time", "placement.place", "placement"),
    Item("Equation (15), Prompt 1", "materials by a vision-language model",
         "vlm.propose_materials", "initialization",
         command="vlmrt advise --vlm gemini --prompt verbatim",
         result="asked on the loopback only; no model was"),
    Item("Equation (16), Prompt 2", "positions by a vision-language model",
         "vlm.propose_positions", "placement",
         command="vlmrt advise --vlm gemini --prompt verbatim",
         result="the offline advisor stands for it"),
    Item("Equation (17)", "mean relative error", "inference.mean_relative_error"),
    Item("Algorithm 1, lines 1, 2", "inputs, output", "estimate", command="vlmrt estimate"),
    Item("Algorithm 1, line 3", "start of the descent", "inference.initial_conductivity",
         "initialization"),
    Item("Algorithm 1, line 4", "positions", "placement.place", "positions"),
    Item("Algorithm 1, line 5", "measured levels", "simulate", command="vlmrt simulate"),
    Item("Algorithm 1, lines 6 to 12", "levels, loss, gradient, step",
         "field.ReplayObjective.value_and_grad, inference.run_adam", "depth",
         result="finds all to 1 % in 53 % of runs at random placements, D = 2 (sweeps/success.py)"),
    Item("Algorithm 1, lines 13 to 18", "stop and answer", "inference.run_adam", "readings"),
    Item("RandInit, UnifInit, RandSel", "baselines",
         "inference.initial_conductivity, campaign.random_campaign", "initialization"),
    Item("Truths σ = λ σ_ITU", "λ ~ N(1, 0.1²) within 0.8 and 1.2", "field.perturbed"),
    Item("Table 1", "depth", "studies.Point", "depth",
         result="0.36 to 0.38 % at every depth; the paper: 0.467, 0.504, 0.273, 0.070 %"),
    Item("Table 2", "number of rays", "studies.Point", "rays",
         result="0.35 to 0.42 % at every number; the paper: 0.185, 0.160, 0.070, 0.032 %"),
    Item("Tables 1 and 2", "what the paper leaves open", "inference.READINGS", "readings",
         result="of 16 printed numbers 1 lies in our range as printed, 12 under decibel_squares"),
    Item("Figure 1a", "time against objects", "studies.measure", "complexity",
         result="exponents 0.69, 0.60, 0.97 of building, forward, backward pass"),
    Item("Figure 1b", "time against setups", "studies.measure", "complexity",
         result="both passes linear (1.03, 0.97), as in the paper"),
    Item("Figure 2", "overview", "estimate", command="vlmrt estimate"),
    Item("Figure 3", "convergence from different starts", "inference.run_adam", "initialization",
         result="9.4 and 11.5 times more iterations; the paper: over 2 and 4"),
    Item("Figure 4", "error of the starts", "inference.initial_conductivity", "initialization",
         result="8.2 times nearer than both; the paper: up to 10 and 3"),
    Item("Figure 5", "positions and starts", "placement.place", "placement",
         result="random positions 3.9 %, the advisor's 0.58 %, D-optimal ones 0.47 %"),
    Item("Figure 6", "number of receivers", "placement.place", "receivers",
         result="N = 2: 5 %; N = 3, 4, 8: 0.35 to 0.52 %"),
    Item("Figure 7", "rendered rooms", "rendering.render_scene", "rooms"),
    Item("Figure 8", "positions selected", "placement.place", "positions",
         result="predicted ±8.3 % (D-optimal), ±10.6 % (advisor), ±38 % (random) at N = 8"),
)  # fmt: skip
"""The paper in its order, tables and figures last."""
