"""What this server serves, as the page asks for it: its one model, and its studies."""

from __future__ import annotations

from typing import Any

from monailabel.interfaces.utils.app import app_instance


def model_name() -> str:
    return next(iter(app_instance().models))


def model_config() -> Any:
    """The `TaskConfig` of the model."""
    return app_instance().models[model_name()]


def datastore() -> Any:
    return app_instance().datastore()
