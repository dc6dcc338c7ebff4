"""Where pictures of ultrasound are most like text, and pages on which a reader can read it.

``likeness`` measures, ``patches`` chooses from a sequence of pictures what is read, ``sheets`` puts patches
onto pages and finds the way back. Which pictures are checked, and what follows from the words, belongs to
``steps.text_check``.
"""
