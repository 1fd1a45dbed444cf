"""Other ways to recover the coefficient, on the program's own forward model: only the method differs.

`python -m benchmarks.baselines METHOD CASE.yaml --out DIR` runs one and writes summary.json and history.csv
under the program's names.
"""
