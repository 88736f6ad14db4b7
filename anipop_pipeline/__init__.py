"""How popular will an anime be? From crawled pages to an honest answer, as a Dagster asset graph."""
