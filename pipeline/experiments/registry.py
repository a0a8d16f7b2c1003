"""The experiments by name: what `python -m pipeline.experiments NAME` runs."""

from __future__ import annotations

from pipeline.experiments import clusters, dataset, forecast, hours, large, parameters, rivals, searching
from pipeline.experiments.asked import Experiment
from pipeline.experiments.setting import on_setting

EXPERIMENTS = {
    "clusters": Experiment(
        "Scores of masks and of clusters (Fig. 4)", on_setting(clusters.measure), clusters.draw
    ),
    "searching": Experiment(
        "Order of the search (Fig. 6b)", on_setting(searching.compare_orders), searching.draw
    ),
    "selecting": Experiment(
        "What is left unasked (Fig. 6c)", on_setting(searching.compare_selections), searching.draw
    ),
    "parameters": Experiment(
        "N_s, K_a and K_iou (Sec. 5.2)", on_setting(parameters.measure), parameters.draw
    ),
    "large": Experiment("The large simulation (Sec. 5.2)", large.measure, large.draw),
    "forecast": Experiment("What a plan says, and what comes of it", forecast.measure, forecast.draw),
    "rivals": Experiment(
        "Against other ways (Fig. 8, Sec. 5.1)", on_setting(rivals.measure), rivals.draw, rows=2
    ),
    "hours": Experiment("Quantity against hours (Fig. 9)", on_setting(hours.measure), hours.draw),
    "dataset": Experiment(
        "What is gained, and where (Sec. 6, Fig. 11)", on_setting(dataset.measure), dataset.draw, rows=2
    ),
}
