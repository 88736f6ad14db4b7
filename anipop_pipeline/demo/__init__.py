"""An invented anime site, generated from a seed and served over loopback, that looks like the real one to a parser.

Belongs here: the planted truth and what it shapes (world, drafts, casts, prose, words, marks, records), what days do
to it (ageing), HTML (pages, seasons, details, sidebar, people, stats, chrome), drawings (pictures), the server. Does
not: anything that reads the site; a crawler must not be able to tell it from any other.
"""
