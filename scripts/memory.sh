# Sourced before training or measuring on CPU: memory is kept as `ccsd serve` keeps it (lib/ccsd/common/memory.py).
export $(python -c "from ccsd.common.memory import KEEP_FREED; print(*map('='.join, KEEP_FREED.items()))")
