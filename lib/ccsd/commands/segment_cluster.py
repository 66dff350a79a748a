"""`ccsd segment --dask`: the studies of a run over the workers of a Dask cluster, which see the same files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ccsd.commands.segmenting import Job, Run, do
from ccsd.common.errors import InputError
from ccsd.common.process_environment import wait_asleep


def do_all(jobs: Sequence[Job], run: Run, address: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, answer) of each study as it is done. A study whose worker dies is given to another.

    Raises:
        InputError: `distributed` is not installed, or no scheduler answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError("--dask needs the package distributed: pip install 'ccsd-monailabel[dask]'") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"--dask {address}: no Dask scheduler answers ({error})") from None
    with client:
        client.register_worker_callbacks(wait_asleep)
        futures = {client.submit(do, job, run, key=f"{run.out}/{job.name}", pure=False): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future].name, _answer(future)


def _answer(future: Any) -> dict[str, Any]:
    from distributed import KilledWorker

    try:
        answer: dict[str, Any] = future.result()
    except KilledWorker as error:
        return {"error": f"the workers that tried it died ({str(error).partition('.')[0]})"}
    return answer
