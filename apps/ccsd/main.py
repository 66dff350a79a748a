"""The MONAI Label app `ccsd`: the folder that `monailabel start_server --app` is given. `ccsd serve` starts it."""

from ccsd.server.labelapp import CCSDApp

__all__ = ["CCSDApp"]
