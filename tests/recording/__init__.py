"""Makes recordings in ``tests/spans``: real frameworks against a scripted model.

``python -m tests.recording`` lists them, ``python -m tests.recording NAME ...`` makes them anew,
each in an environment with the packages of its recipe, which is kept in ``--environments``.
"""
