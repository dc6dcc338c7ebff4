"""What keeps a study from running: each check, what it found and what to do.

``run`` collects what ``machine``, ``filesystem``, ``access`` and ``disk_space`` find. Nothing here writes:
where a check has to try something (a file, a listing), it leaves no trace.
"""
