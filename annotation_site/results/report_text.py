"""The report for a terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table

from annotation_site.results.reporting import CategoryReport, Report

SHOWN = 30
"""Categories in the table; the others are in the JSON."""


def print_report(report: Report, console: Console) -> None:
    """Draw the report."""
    console.print(_rendered(report))


def _rendered(report: Report) -> RenderableType:
    rounds = ("", _rounds(report)) if len(report.rounds) > 1 else ()
    return Group(_summary(report), *rounds, "", _categories(report))


def _summary(report: Report) -> Table:
    tally, time = report.tally, report.time
    table = Table.grid(padding=(0, 2))
    measured = "measured" if report.is_measured else f"at {time.seconds_per_question:.1f} s each"
    rows = (
        (
            "Accepted masks",
            f"{report.accepted:,}",
            f"of {sum(c.masks for c in report.categories):,} predicted",
        ),
        (
            "Precision",
            _share(tally.precision),
            f"in {report.annotated_images:,} pool images with ground truth",
        ),
        ("SQ", _share(tally.sq), "mean IoU of the masks that match an object"),
        ("Coverage", _share(tally.coverage), f"of {tally.objects:,} objects"),
        ("Questions", f"{report.questions:,}", f"{report.gold_questions:,} of them gold"),
        ("Questions per accepted mask", _per(report.questions, report.accepted), ""),
        ("Human hours", f"{time.hours:.2f}", _hours(report, measured)),
        ("Hours of drawing instead", f"{time.drawing_hours:.2f}", _speed_up(report)),
    )
    for name, value, remark in rows:
        table.add_row(name, f"[bold]{value}[/bold]", f"[dim]{remark}[/dim]")
    return table


def _hours(report: Report, measured: str) -> str:
    time = report.time
    return (
        f"{time.verification_hours:.2f} answering ({measured}), "
        f"{time.initial_hours:.2f} drawing {time.drawn:,} initial masks"
    )


def _speed_up(report: Report) -> str:
    return f"{report.time.speed_up:.1f} times as long" if report.time.hours else ""


def _categories(report: Report) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Category")
    for heading in ("Masks", "Accepted", "Precision", "SQ", "Coverage", "Questions", "Per mask"):
        table.add_column(heading, justify="right")
    for category in report.categories[:SHOWN]:
        table.add_row(*_cells(category))
    rest = len(report.categories) - SHOWN
    if rest > 0:
        table.add_row(f"[dim]{rest} more are in the JSON[/dim]")
    return table


def _rounds(report: Report) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Round")
    for heading in ("Masks", "Accepted", "Replaced", "Objects", "Coverage", "Questions", "AP50", "AP75"):
        table.add_column(heading, justify="right")
    for one in report.rounds:
        table.add_row(
            str(one.number),
            f"{one.masks:,}",
            f"{one.accepted:,}",
            f"{one.replaced:,}",
            f"{one.objects:,}",
            _share(one.tally.coverage),
            f"{one.questions:,}",
            _maybe(one.ap50),
            _maybe(one.ap75),
        )
    return table


def _maybe(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _cells(category: CategoryReport) -> tuple[str, ...]:
    tally = category.tally
    return (
        f"{category.name} [dim](long tail)[/dim]" if category.is_tail else category.name,
        f"{category.masks:,}",
        f"{category.accepted:,}",
        _share(tally.precision),
        _share(tally.sq),
        _share(tally.coverage),
        f"{category.questions:,}",
        _per(category.questions, category.accepted),
    )


def _share(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"


def _per(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "–"
