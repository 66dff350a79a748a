"""The command `ccsd`, in a process whose memory and threads are set for computing."""

from ccsd import cli
from ccsd.common.process_environment import start_with_variables


def main() -> None:
    start_with_variables()
    cli.main()


if __name__ == "__main__":
    main()
