"""What keeps a study from running: each thing looked at, found good or not, and what to do.

``examination`` puts together what ``machine``, ``places``, ``access`` and ``room`` find. Nothing here writes:
what has to be tried (a file, a listing) is tried where nothing is left of it.
"""
