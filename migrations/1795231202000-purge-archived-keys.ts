import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * The end of archived keys: how long they are kept, what is held for longer, and purges, which one administrator proposes
 * and another approves. To erase a sealed form is one function of the database.
 */
export class PurgeArchivedKeys1795231202000 implements MigrationInterface {
  readonly name = 'PurgeArchivedKeys1795231202000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES)
    await runner.query(GUARDS)
    await runner.query(WANTED)
    await runner.query(PURGEABLE)
    await runner.query(PURGE)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION certkeep.run_key_purge(integer, timestamptz);
      DROP FUNCTION certkeep.purge_key(integer, integer, timestamptz);
      DROP FUNCTION certkeep.purgeable_keys(integer, text, timestamptz, integer[]);
      DROP TRIGGER recovery_holds_key ON certkeep.recovery;
      DROP FUNCTION certkeep.hold_key_of_recovery();
      DROP TRIGGER sealed_key_is_not_wanted ON certkeep.sealed_key;
      DROP FUNCTION certkeep.guard_sealed_key();
      DROP TRIGGER sealed_key_is_kept ON certkeep.sealed_key;
      DROP FUNCTION certkeep.keep_sealed_key();
      DROP FUNCTION certkeep.is_key_wanted(integer, timestamptz);
      DROP TRIGGER recovery_share_is_kept ON certkeep.recovery_share;
      DROP TRIGGER recovery_approval_is_kept ON certkeep.recovery_approval;
      DROP TRIGGER recovery_package_is_guarded ON certkeep.recovery_package;
      CREATE TRIGGER recovery_share_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.recovery_share
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a share is never changed or removed');
      CREATE TRIGGER recovery_approval_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.recovery_approval
        FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('an approval is never changed or removed');
      CREATE TRIGGER recovery_package_is_guarded BEFORE INSERT OR UPDATE ON certkeep.recovery_package FOR EACH ROW
        EXECUTE FUNCTION certkeep.guard_recovery_package();
      DROP FUNCTION certkeep.is_purging();
      DROP TABLE certkeep.key_purge_item;
      DROP TABLE certkeep.key_purge;
      DROP FUNCTION certkeep.guard_key_purge();
      DROP TABLE certkeep.key_hold;
      DROP TABLE certkeep.retention_policy;
    `)
  }
}

const TABLES = `
  CREATE TABLE certkeep.retention_policy (
    ca_id integer NOT NULL REFERENCES certkeep.ca (id),
    -- Empty for every template that has no policy of its own.
    template_name text NOT NULL,
    -- How long a key is kept after the end of its certificate.
    days integer NOT NULL CHECK (days BETWEEN 0 AND 36500),
    set_by text NOT NULL,
    set_at timestamptz NOT NULL
  );
  CREATE UNIQUE INDEX retention_policy_of_template ON certkeep.retention_policy (ca_id, lower(template_name));

  CREATE TABLE certkeep.key_hold (
    id uuid PRIMARY KEY,
    request_id integer NOT NULL REFERENCES certkeep.request (id),
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL,
    lifted_by text,
    lifted_at timestamptz,
    CONSTRAINT key_hold_lifted_is_whole CHECK ((lifted_by IS NULL) = (lifted_at IS NULL))
  );
  CREATE UNIQUE INDEX key_hold_standing ON certkeep.key_hold (request_id) WHERE lifted_at IS NULL;

  CREATE TABLE certkeep.key_purge (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ca_id integer NOT NULL REFERENCES certkeep.ca (id),
    state text NOT NULL CHECK (state IN ('proposed', 'approved', 'done', 'cancelled')),
    -- Keys of this template only.
    template_name text,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    keys integer NOT NULL CHECK (keys > 0),
    proposed_by uuid NOT NULL REFERENCES certkeep.principal (id),
    proposed_by_name text NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by uuid REFERENCES certkeep.principal (id),
    approved_by_name text,
    approved_at timestamptz,
    cancelled_by_name text,
    cancelled_at timestamptz,
    completed_at timestamptz,
    CONSTRAINT key_purge_takes_two_people CHECK (approved_by <> proposed_by),
    CONSTRAINT key_purge_approval_is_whole CHECK (num_nulls(approved_by, approved_by_name, approved_at) IN (0, 3)),
    CONSTRAINT key_purge_is_approved CHECK (state NOT IN ('approved', 'done') OR approved_by IS NOT NULL),
    CONSTRAINT key_purge_cancelled_is_whole CHECK (
      num_nulls(cancelled_by_name, cancelled_at) = CASE state WHEN 'cancelled' THEN 0 ELSE 2 END),
    CONSTRAINT key_purge_done_has_time CHECK ((state = 'done') = (completed_at IS NOT NULL))
  );
  CREATE INDEX key_purge_to_run ON certkeep.key_purge (id) WHERE state = 'approved';

  -- What stays of a purged key: the hash of its public half (SHA-256 of the SubjectPublicKeyInfo), and by its purge who
  -- purged it, when and why.
  CREATE TABLE certkeep.key_purge_item (
    purge_id integer NOT NULL REFERENCES certkeep.key_purge (id),
    request_id integer NOT NULL REFERENCES certkeep.request (id),
    state text NOT NULL CHECK (state IN ('due', 'purged', 'kept')),
    key_hash bytea CHECK (octet_length(key_hash) = 32),
    -- Why it was kept, or is not purged yet.
    why text,
    decided_at timestamptz,
    retry_at timestamptz,
    PRIMARY KEY (purge_id, request_id),
    CONSTRAINT key_purge_item_decided_has_time CHECK ((state = 'due') = (decided_at IS NULL)),
    CONSTRAINT key_purge_item_purged_has_hash CHECK ((state = 'purged') = (key_hash IS NOT NULL))
  );
  CREATE INDEX key_purge_item_due ON certkeep.key_purge_item (purge_id, request_id) WHERE state = 'due';
  CREATE INDEX key_purge_item_of_key ON certkeep.key_purge_item (request_id);
`

/** Two administrators, who both are when it is approved. */
const GUARDS = `
  CREATE FUNCTION certkeep.guard_key_purge() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    broken text;
  BEGIN
    IF TG_OP = 'INSERT' THEN
      IF NEW.state <> 'proposed' OR NEW.approved_by IS NOT NULL THEN
        broken := 'key_purge_begins_proposed';
      ELSIF NOT certkeep.holds_role(NEW.proposed_by, 'administrator', NEW.ca_id) THEN
        broken := 'key_purge_is_administrators';
      END IF;
    ELSIF (NEW.ca_id, NEW.template_name, NEW.reason, NEW.keys, NEW.proposed_by, NEW.proposed_by_name, NEW.proposed_at)
      IS DISTINCT FROM
      (OLD.ca_id, OLD.template_name, OLD.reason, OLD.keys, OLD.proposed_by, OLD.proposed_by_name, OLD.proposed_at) THEN
      broken := 'key_purge_keeps_terms';
    ELSIF NOT (CASE OLD.state
      WHEN 'proposed' THEN NEW.state IN ('approved', 'cancelled')
      WHEN 'approved' THEN NEW.state IN ('done', 'cancelled')
      ELSE false
    END) THEN
      broken := 'key_purge_moves_legally';
    ELSIF OLD.approved_by IS NOT NULL
      AND (NEW.approved_by, NEW.approved_at) IS DISTINCT FROM (OLD.approved_by, OLD.approved_at) THEN
      broken := 'key_purge_keeps_approval';
    ELSIF NEW.state = 'approved' AND NOT (
      certkeep.holds_role(NEW.approved_by, 'administrator', NEW.ca_id)
      AND certkeep.holds_role(NEW.proposed_by, 'administrator', NEW.ca_id)) THEN
      broken := 'key_purge_is_administrators';
    ELSIF NEW.state = 'done' AND EXISTS (
      SELECT FROM certkeep.key_purge_item WHERE purge_id = NEW.id AND state = 'due') THEN
      broken := 'key_purge_done_has_no_due';
    END IF;
    IF broken IS NOT NULL THEN
      RAISE EXCEPTION 'purge % breaks a rule: %', NEW.id, broken
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = broken, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER key_purge_is_guarded BEFORE INSERT OR UPDATE ON certkeep.key_purge FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_key_purge();
  CREATE TRIGGER key_purge_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.key_purge
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a purge is never deleted');
  CREATE TRIGGER key_purge_item_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.key_purge_item
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('what a purge is of is never deleted');
  CREATE TRIGGER key_hold_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.key_hold
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a hold is lifted, never deleted');
`

/** A key that is being recovered stays as it is; whoever comes second waits for the other and finds what it did. */
const WANTED = `
  CREATE FUNCTION certkeep.is_key_wanted(one_request integer, at_time timestamptz) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM certkeep.recovery AS r WHERE r.request_id = one_request
      AND (r.state IN ('requested', 'approved') OR (r.state = 'released' AND r.release_until >= at_time)))
  $$;
  REVOKE ALL ON FUNCTION certkeep.is_key_wanted(integer, timestamptz) FROM PUBLIC;

  CREATE FUNCTION certkeep.hold_key_of_recovery() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    PERFORM FROM certkeep.sealed_key WHERE request_id = NEW.request_id AND purged_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'the key of request % is not in the archive', NEW.request_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'recovery_is_of_archived_key',
              TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER recovery_holds_key BEFORE INSERT ON certkeep.recovery FOR EACH ROW
    EXECUTE FUNCTION certkeep.hold_key_of_recovery();

  -- Another key in place of one, or none. To hand a share on to a successor leaves sealed_at as it is.
  CREATE FUNCTION certkeep.guard_sealed_key() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF certkeep.is_key_wanted(NEW.request_id, now()) THEN
      RAISE EXCEPTION 'the key of request % is being recovered', NEW.request_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER sealed_key_is_not_wanted BEFORE UPDATE OF sealed ON certkeep.sealed_key FOR EACH ROW
    WHEN (NEW.sealed_at <> OLD.sealed_at OR (NEW.purged_at IS NOT NULL AND OLD.purged_at IS NULL))
    EXECUTE FUNCTION certkeep.guard_sealed_key();

  -- Only what no certificate will ever be made for is removed with its row.
  CREATE FUNCTION certkeep.keep_sealed_key() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    IF NOT OLD.canary AND NOT EXISTS (SELECT FROM certkeep.request WHERE id = OLD.request_id AND state = 'failed') THEN
      RAISE EXCEPTION 'the sealed key of request % is purged, never deleted', OLD.request_id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER sealed_key_is_kept AFTER DELETE ON certkeep.sealed_key FOR EACH ROW
    EXECUTE FUNCTION certkeep.keep_sealed_key();

  -- What recoveries have of a key goes with it. No process role runs as the owner.
  CREATE FUNCTION certkeep.is_purging() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT current_setting('certkeep.purging', true) = 'on' AND current_user NOT IN (
      'certkeep_front', 'certkeep_console', 'certkeep_authority', 'certkeep_archive')
  $$;
  DROP TRIGGER recovery_share_is_kept ON certkeep.recovery_share;
  DROP TRIGGER recovery_approval_is_kept ON certkeep.recovery_approval;
  DROP TRIGGER recovery_package_is_guarded ON certkeep.recovery_package;
  CREATE TRIGGER recovery_share_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.recovery_share
    FOR EACH STATEMENT WHEN (certkeep.is_purging() IS NOT TRUE)
    EXECUTE FUNCTION certkeep.refuse('a share is never changed or removed');
  CREATE TRIGGER recovery_approval_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON certkeep.recovery_approval
    FOR EACH STATEMENT WHEN (certkeep.is_purging() IS NOT TRUE)
    EXECUTE FUNCTION certkeep.refuse('an approval is never changed or removed');
  CREATE TRIGGER recovery_package_is_guarded BEFORE INSERT OR UPDATE ON certkeep.recovery_package FOR EACH ROW
    WHEN (certkeep.is_purging() IS NOT TRUE)
    EXECUTE FUNCTION certkeep.guard_recovery_package();
`

/** Keys without a policy are kept for good. */
const PURGEABLE = `
  CREATE FUNCTION certkeep.purgeable_keys(of_ca integer, of_template text, at_time timestamptz, among integer[])
  RETURNS TABLE (request_id integer, subject text, serial_number bytea, template_name text, not_after timestamptz)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.request_id, c.subject, c.serial_number, r.template_name, c.not_after
    FROM certkeep.sealed_key AS s JOIN certkeep.request AS r ON r.id = s.request_id
    JOIN (
      SELECT request_id, subject, serial_number, not_after FROM certkeep.certificate WHERE state = 'issued'
      UNION ALL
      SELECT request_id, subject, serial_number, not_after FROM certkeep.imported_certificate
    ) AS c ON c.request_id = s.request_id
    CROSS JOIN LATERAL (
      SELECT p.days FROM certkeep.retention_policy AS p
      WHERE p.ca_id = r.ca_id AND lower(p.template_name) IN ('', lower(coalesce(r.template_name, '')))
      ORDER BY p.template_name = '' LIMIT 1
    ) AS policy
    WHERE r.ca_id = of_ca AND s.purged_at IS NULL
      AND (among IS NULL OR s.request_id = ANY (among))
      AND (of_template IS NULL OR lower(r.template_name) = lower(of_template))
      AND c.not_after + policy.days * interval '24 hours' < at_time
      AND NOT EXISTS (SELECT FROM certkeep.key_hold AS h WHERE h.request_id = s.request_id AND h.lifted_at IS NULL)
  $$;
  REVOKE ALL ON FUNCTION certkeep.purgeable_keys(integer, text, timestamptz, integer[]) FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION certkeep.purgeable_keys(integer, text, timestamptz, integer[]) TO certkeep_console;
`

const PURGE = `
  -- One key of an approved purge. What stands against it is looked at again, under the lock of the key.
  CREATE FUNCTION certkeep.purge_key(of_purge integer, one_request integer, at_time timestamptz) RETURNS text
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    purge certkeep.key_purge;
    hash bytea;
  BEGIN
    SELECT * INTO purge FROM certkeep.key_purge WHERE id = of_purge;
    PERFORM FROM certkeep.sealed_key WHERE request_id = one_request AND purged_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN 'gone'; END IF;
    IF EXISTS (SELECT FROM certkeep.key_hold WHERE request_id = one_request AND lifted_at IS NULL) THEN
      RETURN 'held';
    ELSIF certkeep.is_key_wanted(one_request, at_time) THEN
      RETURN 'wanted';
    ELSIF NOT EXISTS (SELECT FROM certkeep.purgeable_keys(purge.ca_id, purge.template_name, at_time, ARRAY[one_request])) THEN
      RETURN 'policy';
    END IF;
    SELECT sha256(public_key) INTO STRICT hash FROM certkeep.request WHERE id = one_request;
    UPDATE certkeep.sealed_key SET sealed = NULL, purged_at = at_time, agent_ids = '{}' WHERE request_id = one_request;
    DELETE FROM certkeep.sealed_key_agent WHERE request_id = one_request;
    PERFORM set_config('certkeep.purging', 'on', true);
    UPDATE certkeep.recovery_share SET share = NULL WHERE recovery_id IN (
      SELECT id FROM certkeep.recovery WHERE request_id = one_request) AND share IS NOT NULL;
    UPDATE certkeep.recovery_approval SET transferred = NULL WHERE recovery_id IN (
      SELECT id FROM certkeep.recovery WHERE request_id = one_request) AND transferred IS NOT NULL;
    UPDATE certkeep.recovery_package SET sealed = '\\x00', to_sign = CASE WHEN to_sign IS NOT NULL THEN '\\x'::bytea END,
      signed = CASE WHEN signed IS NOT NULL THEN '\\x'::bytea END
      WHERE recovery_id IN (SELECT id FROM certkeep.recovery WHERE request_id = one_request);
    PERFORM set_config('certkeep.purging', 'off', true);
    UPDATE certkeep.key_purge_item SET state = 'purged', key_hash = hash, decided_at = at_time, why = NULL
      WHERE purge_id = of_purge AND request_id = one_request;
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      VALUES (at_time, 'role:archive', 'sealed_key.purged', 'sealed_key', one_request::text, 'success',
        jsonb_build_object('purge', of_purge, 'proposedBy', purge.proposed_by_name, 'approvedBy', purge.approved_by_name,
          'reason', purge.reason, 'keyHash', encode(hash, 'hex')));
    RETURN 'purged';
  END $$;
  REVOKE ALL ON FUNCTION certkeep.purge_key(integer, integer, timestamptz) FROM PUBLIC;

  -- Up to so many keys of the oldest purge that is due. Gives how many it looked at; 0 when there is nothing to do now.
  CREATE FUNCTION certkeep.run_key_purge(most integer, at_time timestamptz) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    of_purge integer;
    one_request integer;
    outcome text;
    looked integer := 0;
  BEGIN
    FOR of_purge IN
      SELECT p.id FROM certkeep.key_purge AS p WHERE p.state = 'approved' ORDER BY p.id FOR NO KEY UPDATE SKIP LOCKED
    LOOP
      FOR one_request IN
        SELECT i.request_id FROM certkeep.key_purge_item AS i
        WHERE i.purge_id = of_purge AND i.state = 'due' AND (i.retry_at IS NULL OR i.retry_at <= at_time)
        ORDER BY i.request_id LIMIT most - looked
      LOOP
        outcome := certkeep.purge_key(of_purge, one_request, at_time);
        looked := looked + 1;
        IF outcome = 'wanted' THEN
          UPDATE certkeep.key_purge_item SET why = 'a recovery of the key is in flight',
            retry_at = at_time + interval '5 minutes' WHERE purge_id = of_purge AND request_id = one_request;
        ELSIF outcome <> 'purged' THEN
          UPDATE certkeep.key_purge_item SET state = 'kept', decided_at = at_time, why = CASE outcome
            WHEN 'held' THEN 'the key is held'
            WHEN 'policy' THEN 'the retention policy no longer lets it go'
            ELSE 'the key was purged before' END
          WHERE purge_id = of_purge AND request_id = one_request;
        END IF;
      END LOOP;
      IF NOT EXISTS (SELECT FROM certkeep.key_purge_item WHERE purge_id = of_purge AND state = 'due') THEN
        UPDATE certkeep.key_purge SET state = 'done', completed_at = at_time WHERE id = of_purge;
        INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
          SELECT at_time, 'role:archive', 'key_purge.completed', 'key_purge', of_purge::text, 'success',
            jsonb_build_object('purged', count(*) FILTER (WHERE state = 'purged'),
              'kept', count(*) FILTER (WHERE state = 'kept'))
          FROM certkeep.key_purge_item WHERE purge_id = of_purge;
      END IF;
      EXIT WHEN looked >= most;
    END LOOP;
    RETURN looked;
  END $$;
  REVOKE ALL ON FUNCTION certkeep.run_key_purge(integer, timestamptz) FROM PUBLIC;
`

const GRANTS = `
  GRANT SELECT, INSERT, DELETE, UPDATE (days, set_by, set_at) ON certkeep.retention_policy TO certkeep_console;
  GRANT SELECT, INSERT, UPDATE (lifted_by, lifted_at) ON certkeep.key_hold TO certkeep_console;
  GRANT SELECT, UPDATE (state, approved_by, approved_by_name, approved_at, cancelled_by_name, cancelled_at),
    INSERT (ca_id, state, template_name, reason, keys, proposed_by, proposed_by_name, proposed_at)
    ON certkeep.key_purge TO certkeep_console;
  GRANT SELECT, INSERT (purge_id, request_id, state) ON certkeep.key_purge_item TO certkeep_console;
  GRANT EXECUTE ON FUNCTION certkeep.run_key_purge TO certkeep_archive;
`
