import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Groups of the directory as principals, who is in them, and where security identifiers come from. */
export class CreateGroups1795230002000 implements MigrationInterface {
  readonly name = 'CreateGroups1795230002000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DOMAINS)
    await runner.query(GROUPS)
    await runner.query(EXISTING)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE certkeep.group_member;
      DROP INDEX certkeep.principal_group_name;
      DROP INDEX certkeep.principal_upn;
      DROP INDEX certkeep.principal_mail;
      -- The program before this one knows no groups but by name.
      ALTER TABLE certkeep.principal DISABLE TRIGGER principal_is_kept;
      DELETE FROM certkeep.principal WHERE kind = 'group';
      ALTER TABLE certkeep.principal ENABLE TRIGGER principal_is_kept;
      ALTER TABLE certkeep.principal DROP CONSTRAINT principal_kind_check;
      ALTER TABLE certkeep.principal ADD CONSTRAINT principal_kind_check CHECK (kind IN ('user', 'computer', 'system'));
      DROP TABLE certkeep.directory_domain;
      DROP FUNCTION certkeep.random_domain_sid();
      REVOKE UPDATE (display_name, distinguished_name, upn, mail, dns_name, group_names) ON certkeep.principal
        FROM certkeep_console;
    `)
  }
}

const DOMAINS = `
  CREATE FUNCTION certkeep.random_domain_sid() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT 'S-1-5-21-' || string_agg((('x' || substr(u.hex, 1 + 8 * part, 8))::bit(32)::bigint & 4294967295)::text, '-')
    FROM (SELECT replace(gen_random_uuid()::text, '-', '') || md5(gen_random_uuid()::text) AS hex) AS u,
      generate_series(3, 5) AS part
  $$;

  -- The next relative identifier only rises, so that no security identifier ever stands for two accounts.
  CREATE TABLE certkeep.directory_domain (
    name text NOT NULL CHECK (name <> ''),
    sid text NOT NULL UNIQUE CHECK (sid LIKE 'S-1-5-21-%'),
    next_rid bigint NOT NULL CHECK (next_rid BETWEEN 1000 AND 4294967295)
  );
  CREATE UNIQUE INDEX directory_domain_name ON certkeep.directory_domain (lower(name));
`

const GROUPS = `
  ALTER TABLE certkeep.principal DROP CONSTRAINT principal_kind_check;
  ALTER TABLE certkeep.principal ADD CONSTRAINT principal_kind_check
    CHECK (kind IN ('user', 'computer', 'group', 'system'));
  -- Templates and scopes name a group by its name alone, so that a name is one group.
  CREATE UNIQUE INDEX principal_group_name ON certkeep.principal (lower(account_name)) WHERE kind = 'group';
  CREATE INDEX principal_upn ON certkeep.principal (lower(upn));
  CREATE INDEX principal_mail ON certkeep.principal (lower(mail));

  -- principal.group_names is what follows from this: every group that an account is in, through others too.
  CREATE TABLE certkeep.group_member (
    group_id uuid NOT NULL REFERENCES certkeep.principal (id),
    member_id uuid NOT NULL REFERENCES certkeep.principal (id),
    added_at timestamptz NOT NULL,
    PRIMARY KEY (group_id, member_id),
    CONSTRAINT group_member_is_another CHECK (group_id <> member_id)
  );
  CREATE INDEX group_member_of ON certkeep.group_member (member_id);
`

const EXISTING = `
  INSERT INTO certkeep.directory_domain (name, sid, next_rid) VALUES ('CERTKEEP', certkeep.random_domain_sid(), 1104);

  -- A domain goes on with the identifier that most of its accounts have, after the highest that was given out.
  INSERT INTO certkeep.directory_domain (name, sid, next_rid)
  SELECT DISTINCT ON (lower(found.domain)) found.domain, found.base, greatest(found.highest + 1, 1104)
  FROM (
    SELECT min(domain) AS domain, substring(sid FROM '^(S-1-5-21-\\d+-\\d+-\\d+)-\\d+$') AS base,
      max(substring(sid FROM '-(\\d+)$')::bigint) AS highest, count(*) AS accounts
    FROM certkeep.principal WHERE sid ~ '^S-1-5-21-\\d+-\\d+-\\d+-\\d+$'
    GROUP BY lower(domain), base
  ) AS found
  WHERE lower(found.domain) <> 'certkeep'
  ORDER BY lower(found.domain), found.accounts DESC, found.base
  ON CONFLICT DO NOTHING;

  -- Where the directory has a domain of that name, an account in it may have a group's name. People sign in by it, so it
  -- is the group that is kept elsewhere: templates and scopes name a group without its domain.
  CREATE FUNCTION pg_temp.domain_of_group(name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM certkeep.principal AS p
      WHERE lower(p.domain) = 'certkeep' AND lower(p.account_name) = lower(name)) THEN 'CERTKEEP GROUPS' ELSE 'CERTKEEP' END
  $$;

  INSERT INTO certkeep.principal (id, kind, sid, account_name, domain, display_name, group_names, created_at)
  SELECT gen_random_uuid(), 'group', d.sid || '-' || built_in.rid, built_in.name,
    pg_temp.domain_of_group(built_in.name), built_in.name, '{}', now()
  FROM certkeep.directory_domain AS d,
    (VALUES (513, 'Domain Users'), (515, 'Domain Computers'), (1102, 'Certkeep Operators')) AS built_in (rid, name)
  WHERE d.name = 'CERTKEEP';

  INSERT INTO certkeep.principal (id, kind, sid, account_name, domain, display_name, group_names, created_at)
  SELECT gen_random_uuid(), 'group', d.sid || '-' || (1103 + row_number() OVER (ORDER BY named.name)), named.name,
    pg_temp.domain_of_group(named.name), named.name, '{}', now()
  FROM certkeep.directory_domain AS d, (
    SELECT min(name) AS name FROM certkeep.principal, unnest(group_names) AS name
    WHERE name <> '' AND lower(name) NOT IN ('domain users', 'domain computers', 'certkeep operators')
    GROUP BY lower(name)
  ) AS named
  WHERE d.name = 'CERTKEEP';
  UPDATE certkeep.directory_domain SET next_rid = 1104 + (
    SELECT count(*) FROM certkeep.principal WHERE kind = 'group') WHERE name = 'CERTKEEP';

  INSERT INTO certkeep.group_member (group_id, member_id, added_at)
  SELECT DISTINCT g.id, p.id, p.created_at FROM certkeep.principal AS p, unnest(p.group_names) AS name,
    certkeep.principal AS g
  WHERE g.kind = 'group' AND lower(g.account_name) = lower(name);
  DROP FUNCTION pg_temp.domain_of_group(text);
`

const GRANTS = `
  GRANT SELECT, INSERT, DELETE ON certkeep.group_member TO certkeep_console;
  GRANT SELECT, INSERT, UPDATE (next_rid) ON certkeep.directory_domain TO certkeep_console;
  GRANT EXECUTE ON FUNCTION certkeep.random_domain_sid() TO certkeep_console;
  GRANT UPDATE (display_name, distinguished_name, upn, mail, dns_name, group_names) ON certkeep.principal
    TO certkeep_console;
`
