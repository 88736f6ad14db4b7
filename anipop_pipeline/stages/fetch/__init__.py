"""A polite crawl: robots.txt first, one pace and one budget for all threads, and an outcome for each request.

Bodies are kept as the site sent them; they are unpacked only to bound their size and to recognise what the site says
with a 200: that an id does not exist, that it is out of service, that it takes us for a robot. A block ends the crawl,
and everything that was fetched is still handed out; a page that fails does not.

Belongs here: asking, waiting, judging an answer. Does not: which pages are worth asking for, how an exchange is stored,
what a page means. The session, the clock and the seed are passed in.
"""

from anipop_pipeline.stages.fetch.answers import recognised
from anipop_pipeline.stages.fetch.crawl import ask
from anipop_pipeline.stages.fetch.manners import Clock, Known, Request, SiteManners
from anipop_pipeline.stages.fetch.visitor import Visitor

__all__ = ["Clock", "Known", "Request", "SiteManners", "Visitor", "ask", "recognised"]
