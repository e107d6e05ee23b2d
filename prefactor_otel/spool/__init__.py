"""What waits for the API, on disk: one file a process, so that what was accepted outlives it.

``file`` has the rows of one process, ``folder`` the files of all, and ``recovery`` makes a run
whole whose process has died.
"""
