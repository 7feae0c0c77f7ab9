"""What the team of this example may do: compute over `planets.csv`, NASA's planetary fact sheet (public domain)."""

import csv
import statistics
from pathlib import Path
from typing import Literal

from quorate import tool

DATA = Path(__file__).with_name("planets.csv")
NAMES = {
    "mass": "mass_1e24kg",
    "diameter": "diameter_km",
    "gravity": "gravity_ms2",
    "distance": "distance_1e6km",
    "year": "year_days",
    "temperature": "mean_temperature_c",
    "moons": "moons",
}

Column = Literal["mass", "diameter", "gravity", "distance", "year", "temperature", "moons"]
Statistic = Literal["average", "minimum", "maximum", "total"]


def column_of(name: str) -> dict[str, float]:
    """Return a column of the table by planet."""
    with DATA.open(newline="") as file:
        return {row["planet"]: float(row[NAMES[name]]) for row in csv.DictReader(file)}


@tool(effect="read")
def column_stats(column: Column, statistic: Statistic) -> str:
    """Compute a number from a column of the table of planets."""
    rows = column_of(column)
    if statistic == "average":
        return f"The average {column} of the planets is {statistics.fmean(rows.values()):g}."
    if statistic == "total":
        return f"The total {column} of the planets is {sum(rows.values()):g}."
    planet = (min if statistic == "minimum" else max)(rows, key=lambda name: rows[name])
    return f"The {statistic} {column} is {rows[planet]:g}, of {planet}."


@tool(effect="read")
def second_look(column: Column) -> str:
    """Check a column of the table of planets: how far ahead is the first?"""
    rows = column_of(column)
    first, second = sorted(rows, key=lambda name: -rows[name])[:2]
    return f"The maximum {column} is {rows[first]:g}, of {first}; the next is {rows[second]:g}, of {second}."
