"""The subcommands of `ccsd`, a file each."""
