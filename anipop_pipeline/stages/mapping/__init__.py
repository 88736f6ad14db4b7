"""Foreign tables brought into our schemas: which column is which, how its values are read, what is refused.

A value that cannot be read, and a row that breaks a rule of its table, is refused with file, row and field; rows are
counted from 1 beneath the header.

Belongs here: from rows of any table to rows of ours. Does not: where files lie and how they are opened.
"""

from anipop_pipeline.stages.mapping.plan import TABLES, Column, Plan, TablePlan, own_tables, planned
from anipop_pipeline.stages.mapping.readers import READERS
from anipop_pipeline.stages.mapping.rows import Sheet, Sheets, cells, joined, refused, settled, sheet_of, tables

__all__ = [
    "READERS",
    "TABLES",
    "Column",
    "Plan",
    "Sheet",
    "Sheets",
    "TablePlan",
    "cells",
    "joined",
    "own_tables",
    "planned",
    "refused",
    "settled",
    "sheet_of",
    "tables",
]
