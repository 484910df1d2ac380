"""The program `routerdc`: makes the private packages importable, and calls the command that lies among them."""

from routerdc_triton import make_packages_importable


def main() -> None:
    """Runs `routerdc` with the arguments of this process."""
    make_packages_importable()
    from cli.command import main as routerdc

    routerdc(prog_name="routerdc")
