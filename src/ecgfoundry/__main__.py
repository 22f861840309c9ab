"""``python -m ecgfoundry`` is the ``ecgfoundry`` command."""

from ecgfoundry.cli.main import main

main()
