"""The document as one self-contained HTML file: no script, no request to anywhere.

Belongs here: handing the document to the template. Does not: words, looks (both in the template or the document).
"""

import base64

import jinja2

from anipop_pipeline.stages.report.document import Document


def render(document: Document) -> bytes:
    """Return the page; all text is escaped by the template engine."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("anipop_pipeline", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = data_uri
    template = environment.get_template("report.html.jinja")
    return template.render(document=document).lstrip().replace(" %", "\N{NO-BREAK SPACE}%").encode()


def data_uri(image: bytes) -> str:
    """Return a PNG as an address that holds the picture itself.

    >>> data_uri(b"png")
    'data:image/png;base64,cG5n'
    """
    return f"data:image/png;base64,{base64.b64encode(image).decode('ascii')}"
