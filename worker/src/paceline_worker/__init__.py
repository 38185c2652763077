"""Paceline's workers: accept, grant, deliver, settle. The Celery app is in ``paceline_worker.celery``."""
