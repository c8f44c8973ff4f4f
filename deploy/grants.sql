-- The role of the service: it reads and changes rows, and can change no table, no function and no trigger.
-- Run it as the owner of the tables, in the service's database, after `migrate`. It may be run again.
-- The role gets its password, or another way to sign in, separately: ALTER ROLE watchword_service LOGIN PASSWORD '...';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'watchword_service') THEN
        CREATE ROLE watchword_service;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO watchword_service', current_database());
END $$;

-- Before version 15, every role may make tables in this schema.
REVOKE CREATE ON SCHEMA public FROM PUBLIC, watchword_service;
GRANT USAGE ON SCHEMA public TO watchword_service;
REVOKE TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA public FROM watchword_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO watchword_service;
-- The numbers of sessions. The owner may have taken the right to call functions from PUBLIC.
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO watchword_service;
DO $$ BEGIN IF to_regprocedure('public.session_status(bigint)') IS NOT NULL THEN GRANT EXECUTE ON FUNCTION public.session_status(bigint) TO watchword_service; END IF; END $$;
-- Tables of later releases, which `migrate` makes as the same owner.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO watchword_service;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO watchword_service;

-- Neither helps a role that may become the owner, and the first REVOKE has no effect where another role owns the schema.
DO $$
BEGIN
    IF pg_has_role('watchword_service', current_user, 'MEMBER') THEN
        RAISE EXCEPTION 'watchword_service may become % by SET ROLE; run: REVOKE % FROM watchword_service',
            quote_ident(current_user), quote_ident(current_user);
    END IF;
    IF has_schema_privilege('watchword_service', 'public', 'CREATE') THEN
        RAISE EXCEPTION 'watchword_service may create tables in the schema public; as a superuser, run in this database: '
            'ALTER SCHEMA public OWNER TO %; then run this file again', quote_ident(current_user);
    END IF;
END $$;
