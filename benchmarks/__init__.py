"""What things cost: short measurements on real parts. `python -m benchmarks [NAME…]`; results in RESULTS.md.

Not tests: nothing here fails because the machine is slow. Where it matters, a figure stands beside a reference that ran
in the same minute, because machines drift.
"""
