"""The checks of ``check-config``.

Each subject that the command prints has a file of its name: ``issuer``, ``tls``, ``cross_site`` and so on.
``settings``, ``servers`` and ``deployment`` collect the facts and call the checks.
"""
