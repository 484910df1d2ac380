"""`python -m routerdc_triton`: the command `routerdc`."""

from routerdc_triton.command import main

main()
