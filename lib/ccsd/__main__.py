from ccsd.cli import main

main()
