"""Measures the project against what a user would pick instead: the engine of `smt bench`.

What is timed runs as a process of its own. The training scripts (`train_ours`, `baseline_*`) take
and print the same things (`script`); TensorFlow 1.15.5's imports nothing from here, as it runs on
Python 3.7. `quality` and `read` are scripts of their own.
"""
