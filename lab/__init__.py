"""Several hosts with real Docker Engines on one machine, for tests, benchmarks and the demo; not the product."""
