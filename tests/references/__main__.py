"""`python -m tests.references`: writes docs/cli.md and docs/configuration.md anew. `make references`."""

from tests.references import PAGES


def main() -> None:
    """Write them."""
    for path, text in PAGES.items():
        path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
