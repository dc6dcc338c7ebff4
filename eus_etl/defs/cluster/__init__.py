"""Runs on many machines: workers that take them from a Celery broker, and what each worker sees.

Needs the extra ``celery``; nothing else of the package imports it.
"""
