"""The science: plain functions from values to values. No Dagster, no paths, no clock, no environment."""
