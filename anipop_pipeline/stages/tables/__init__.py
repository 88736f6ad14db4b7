"""Every table of the lake, declared once: columns, types, key, rules.

Belongs here: schemas and what follows from a schema alone. Does not: how a value comes about.
"""
