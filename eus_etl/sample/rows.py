"""The patient sheet as people keep it: the study's columns among others that name people."""

import csv
import io

from eus_etl.sample.plan import StudyPlan


def sheet_of(plan: StudyPlan) -> str:
    """The sheet as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([plan.key_header, "Name", *plan.headers.values(), "Remarks"])
    for row in plan.rows:
        cells = [row.cells.get(column, "") for column in plan.headers]
        writer.writerow([row.key, row.name, *cells, row.remark])
    return text.getvalue()
