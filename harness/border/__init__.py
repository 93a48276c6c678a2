"""Between the harness and plugins: what they are given cannot be written to, what they return is checked, their faults named.

Stages call components through this package, so that what is wrong with one of them is told in one message that names it, and
so that no component changes what another one sees.
"""
