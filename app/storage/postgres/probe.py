"""Whether the database has what this release needs: its columns, and the rights of the role."""

COLUMNS = {
    "client_assertions": "id, expires_at",
    "accounts": "id, email, password_hash, password_version, enabled, roles, sessions_ended_at, created_at",
    "events": "id, at, kind, actor, actor_id, reason, account_id, session_id, address, request_id, details",
    "revocations": "id, expires_at, tx, kind, subject, status, reason",
    "signing_keys": "kid, algorithm, public_jwk, sealed_private_key, created_at, activated_at, superseded_at",
    "service_clients": "id, name, scopes, secret_hash, secret_created_at, secret_used_at, "
    "former_secret_hash, former_secret_created_at, former_secret_used_at, public_keys, "
    "trusted_issuer, trusted_subject, created_at",
    "sessions": "id, account_id, client, generation, refresh_token_hash, superseded_at, rotated_by, amr, "
    "authenticated_at, created_at, refreshed_at, expires_at, revoked_at, address, user_agent, status",
}
"""Those of ``tables``, without SQLAlchemy, which takes a tenth of a second to load."""

RIGHTS = dict.fromkeys(COLUMNS, ("SELECT", "INSERT", "UPDATE", "DELETE")) | {
    # The commands that create and delete accounts and service clients need the other two.
    "accounts": ("SELECT", "UPDATE"),
    "service_clients": ("SELECT", "UPDATE"),
    "session_numbers": ("USAGE",),
    "session_status(bigint)": ("EXECUTE",),
}
"""What requests and jobs do on each table, sequence and function. To lock a row takes a right to update."""

_EACH = [
    f"(SELECT {columns} FROM {table} LIMIT 0) AS {table}"  # noqa: S608 - as below
    for table, columns in COLUMNS.items()
]
_NEEDED = ", ".join(f"('{table}', '{right}')" for table, rights in RIGHTS.items() for right in rights)
PROBE = f"""
SELECT clock_timestamp() AS now, current_user AS role, current_setting('transaction_isolation') AS isolation,
    ARRAY(
        SELECT needed.privilege || ' on ' || needed.name FROM (VALUES {_NEEDED}) AS needed (name, privilege)
        WHERE NOT CASE needed.privilege
            WHEN 'DELETE' THEN has_table_privilege(needed.name, 'DELETE')
            WHEN 'USAGE' THEN has_sequence_privilege(needed.name, 'USAGE')
            WHEN 'EXECUTE' THEN has_function_privilege(needed.name, 'EXECUTE')
            ELSE has_any_column_privilege(needed.name, needed.privilege)
        END
    ) AS missing,
    EXISTS (SELECT FROM {", ".join(_EACH)})
"""  # noqa: S608 - the only things put in are constants of ours
"""Asks which rights are missing, reads no row, and fails without a column that this release uses."""
