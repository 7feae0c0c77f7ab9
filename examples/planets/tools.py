"""What the team of this example may do: compute over `planets.csv`, the planetary fact sheet of NASA (public domain)."""

import csv
import statistics
from pathlib import Path
from typing import Literal

from quorate import tool

DATA = Path(__file__).with_name("planets.csv")

Column = Literal[
    "mass_1e24kg", "diameter_km", "gravity_ms2", "distance_1e6km", "year_days", "mean_temperature_c", "moons"
]
Statistic = Literal["mean", "lowest", "highest", "total"]


@tool(effect="read")
def column_stats(column: Column, statistic: Statistic) -> str:
    """Compute a number from a column of the table of planets."""
    with DATA.open(newline="") as file:
        rows = {row["planet"]: float(row[column]) for row in csv.DictReader(file)}
    if statistic == "mean":
        return f"The mean {column} of the {len(rows)} planets is {statistics.fmean(rows.values()):g}."
    if statistic == "total":
        return f"The total {column} of the {len(rows)} planets is {sum(rows.values()):g}."
    pick = min if statistic == "lowest" else max
    planet = pick(rows, key=lambda name: rows[name])
    return f"The {statistic} {column} is {rows[planet]:g}, of {planet}."
