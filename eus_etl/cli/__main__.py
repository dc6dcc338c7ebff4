"""``python -m eus_etl.cli`` runs ``eus-etl``."""

from eus_etl.cli import main

if __name__ == "__main__":
    main()
