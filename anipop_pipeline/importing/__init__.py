"""Sites of their own, filled from files without a crawl: archived pages, the published dataset, anybody's tables.

Everything is read and validated before the first table is written; the declaration of the site comes last, and whatever
goes wrong in between leaves the site as it was.

Belongs here: from files to the tables of a site and what it says of itself. Does not: reading pages (stages/parse),
what a foreign column means (stages/mapping), telling Dagster (cli.py).
"""

from anipop_pipeline.importing.published import import_published
from anipop_pipeline.importing.site import Imported
from anipop_pipeline.importing.tables import import_tables
from anipop_pipeline.importing.warc import import_warc

__all__ = ["Imported", "import_published", "import_tables", "import_warc"]
