import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Revocation: the one way in which a certificate's status changes, a number for each change, and the record of every
 * CRL before it is signed.
 */
export class RecordRevocations1795230400000 implements MigrationInterface {
  readonly name = 'RecordRevocations1795230400000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLES)
    await runner.query(INDEXES)
    await runner.query(FUNCTIONS)
    await runner.query(GRANTS)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION certkeep.forget_superseded_crls(integer, integer, text, bigint);
      DROP FUNCTION certkeep.order_crl(integer, text, jsonb, timestamptz);
      DROP FUNCTION certkeep.release_certificate(integer, bytea, bigint, text, jsonb, timestamptz);
      DROP FUNCTION certkeep.revoke_own_certificate(integer, bytea, uuid, integer, timestamptz, text, jsonb, timestamptz);
      DROP FUNCTION certkeep.revoke_certificate(
        integer, bytea, uuid, bigint, integer, timestamptz, text, jsonb, timestamptz);
      DROP FUNCTION certkeep.number_status_change(integer);
      GRANT UPDATE (revoked_at, revocation_reason) ON certkeep.certificate TO certkeep_authority;

      DROP INDEX certkeep.certificate_changed, certkeep.certificate_of_subject, certkeep.certificate_revoked,
        certkeep.certificate_of_template, certkeep.certificate_not_after, certkeep.certificate_of_principal;
      CREATE INDEX certificate_of_principal ON certkeep.certificate (principal_id) WHERE state = 'issued';
      CREATE INDEX certificate_not_after ON certkeep.certificate (not_after) WHERE state = 'issued';
      ALTER TABLE certkeep.certificate DROP status_change, DROP invalidity_date, DROP template_name;

      DROP INDEX certkeep.crl_of_key;
      DELETE FROM certkeep.crl WHERE kind = 'delta' OR crl IS NULL;
      ALTER TABLE certkeep.crl DROP CONSTRAINT crl_was_intended, DROP CONSTRAINT crl_delta_has_base,
        DROP kind, DROP base_number, DROP changes, DROP entries, DROP next_publish, ALTER crl SET NOT NULL;
      CREATE INDEX crl_of_key ON certkeep.crl (ca_id, key_index, number DESC);
      DROP TABLE certkeep.crl_intent;
      DROP TABLE certkeep.status_change;
    `)
  }
}

const TABLES = `
  -- How often a status has changed at a CA. Whoever changes one takes the next number and holds the row until the
  -- commit, so that who reads a number knows every change up to it to be committed.
  CREATE TABLE certkeep.status_change (
    ca_id integer PRIMARY KEY REFERENCES certkeep.ca (id),
    last bigint NOT NULL CHECK (last >= 0),
    -- The change that an ordered CRL must know of; nothing changed for it but the number.
    crl_ordered bigint NOT NULL DEFAULT 0
  );

  ALTER TABLE certkeep.certificate
    ADD status_change bigint CHECK (status_change > 0),
    ADD invalidity_date timestamptz,
    ADD template_name text;
  UPDATE certkeep.certificate AS c
  SET template_name = r.template_name,
      status_change = CASE WHEN c.revoked_at IS NOT NULL OR c.state = 'abandoned' THEN 1 END
  FROM certkeep.request AS r WHERE r.id = c.request_id;
  INSERT INTO certkeep.status_change (ca_id, last) SELECT id, 1 FROM certkeep.ca;

  -- What is about to be signed as a CRL, and the number it spends, whatever becomes of it.
  CREATE TABLE certkeep.crl_intent (
    ca_id integer NOT NULL REFERENCES certkeep.ca (id),
    number bigint NOT NULL CHECK (number > 0),
    key_index integer NOT NULL CHECK (key_index >= 0),
    kind text NOT NULL CHECK (kind IN ('base', 'delta')),
    -- SHA-256 of the TBSCertList; null for those from before intents were recorded.
    tbs_digest bytea CHECK (octet_length(tbs_digest) = 32),
    intended_at timestamptz NOT NULL,
    PRIMARY KEY (ca_id, number)
  );
  INSERT INTO certkeep.crl_intent (ca_id, number, key_index, kind, intended_at)
    SELECT ca_id, number, key_index, 'base', this_update FROM certkeep.crl;

  -- The bytes are let go when a newer one is there; a long list at every revocation would fill the disk.
  ALTER TABLE certkeep.crl
    ALTER crl DROP NOT NULL,
    ALTER crl SET STORAGE EXTERNAL,
    ADD kind text NOT NULL DEFAULT 'base' CHECK (kind IN ('base', 'delta')),
    ADD base_number bigint,
    ADD changes bigint NOT NULL DEFAULT 0,
    ADD entries integer NOT NULL DEFAULT 0,
    ADD next_publish timestamptz,
    ADD CONSTRAINT crl_delta_has_base CHECK ((kind = 'delta') = (base_number IS NOT NULL) AND base_number < number),
    ADD CONSTRAINT crl_was_intended FOREIGN KEY (ca_id, number) REFERENCES certkeep.crl_intent (ca_id, number);
  UPDATE certkeep.crl SET next_publish = next_update;
  ALTER TABLE certkeep.crl
    ALTER kind DROP DEFAULT, ALTER changes DROP DEFAULT, ALTER entries DROP DEFAULT, ALTER next_publish SET NOT NULL;
`

/** For the lists of a million certificates: each filter has an index that gives the rows in the order of the list. */
const INDEXES = `
  DROP INDEX certkeep.crl_of_key;
  CREATE INDEX crl_of_key ON certkeep.crl (ca_id, key_index, kind, number DESC);

  DROP INDEX certkeep.certificate_of_principal, certkeep.certificate_not_after;
  CREATE INDEX certificate_of_principal ON certkeep.certificate (principal_id, request_id DESC) WHERE state = 'issued';
  CREATE INDEX certificate_not_after ON certkeep.certificate (not_after, request_id) WHERE state = 'issued';
  CREATE INDEX certificate_of_template ON certkeep.certificate (lower(template_name), request_id DESC)
    WHERE state = 'issued';
  CREATE INDEX certificate_revoked ON certkeep.certificate (request_id DESC) WHERE revoked_at IS NOT NULL;
  CREATE INDEX certificate_of_subject ON certkeep.certificate
    USING gin (to_tsvector('simple', regexp_replace(subject, '[^[:alnum:]]+', ' ', 'g'))) WHERE state = 'issued';
  CREATE INDEX certificate_changed ON certkeep.certificate (ca_id, status_change, serial_number)
    WHERE status_change IS NOT NULL;
`

/**
 * What a process may do about the status of a certificate, and nothing else; the rules of MS-CSRA 3.1.4.1.8 are here, so
 * that nobody can go around them. The results: \`done\`; \`unknown\` when there is no such certificate (for this principal);
 * \`changed\` when its status is not the expected one any more; \`state\` when its status does not allow it.
 */
const FUNCTIONS = `
  CREATE FUNCTION certkeep.number_status_change(of_ca integer) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO certkeep.status_change AS s (ca_id, last) VALUES (of_ca, 1)
    ON CONFLICT (ca_id) DO UPDATE SET last = s.last + 1
    RETURNING last
  $$;

  CREATE FUNCTION certkeep.revoke_certificate(
    of_ca integer, of_serial bytea, of_principal uuid, expected bigint, new_reason integer, invalid_since timestamptz,
    by_actor text, event_detail jsonb, at_time timestamptz
  ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    change bigint;
    was record;
  BEGIN
    PERFORM FROM certkeep.certificate WHERE ca_id = of_ca AND serial_number = of_serial AND state = 'issued'
      AND (of_principal IS NULL OR principal_id = of_principal);
    IF NOT FOUND THEN
      RETURN 'unknown';
    END IF;
    -- Before the certificate, as everybody does: two who change several cannot wait for each other.
    change := certkeep.number_status_change(of_ca);
    SELECT request_id, revoked_at, revocation_reason, invalidity_date, coalesce(status_change, 0) AS version INTO was
      FROM certkeep.certificate WHERE ca_id = of_ca AND serial_number = of_serial FOR UPDATE;
    IF expected IS NOT NULL AND expected <> was.version THEN
      RETURN 'changed';
    END IF;
    -- A hold comes first or not at all; a final reason may be written anew.
    IF was.revoked_at IS NOT NULL AND (new_reason = 6 OR (new_reason = was.revocation_reason
        AND (invalid_since IS NULL OR invalid_since IS NOT DISTINCT FROM was.invalidity_date))) THEN
      RETURN 'state';
    END IF;
    IF new_reason NOT IN (0, 1, 2, 3, 4, 5, 6, 9, 10) THEN
      RETURN 'state';
    END IF;
    UPDATE certkeep.certificate
      SET revoked_at = coalesce(revoked_at, at_time), revocation_reason = new_reason,
          invalidity_date = coalesce(invalid_since, invalidity_date), status_change = change
      WHERE ca_id = of_ca AND serial_number = of_serial;
    UPDATE certkeep.request SET state = 'revoked', disposition_message = 'Revoked by ' || by_actor
      WHERE id = was.request_id AND state = 'issued';
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      VALUES (at_time, by_actor, 'certificate.revoked', 'certificate', encode(of_serial, 'hex'), 'success',
              jsonb_build_object('caId', of_ca, 'requestId', was.request_id, 'reason', new_reason)
              || CASE WHEN was.revocation_reason IS NULL THEN '{}'::jsonb
                      ELSE jsonb_build_object('previousReason', was.revocation_reason) END
              || event_detail);
    RETURN 'done';
  END $$;

  CREATE FUNCTION certkeep.revoke_own_certificate(
    of_ca integer, of_serial bytea, of_principal uuid, new_reason integer, invalid_since timestamptz, by_actor text,
    event_detail jsonb, at_time timestamptz
  ) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN of_principal IS NULL THEN 'unknown' ELSE certkeep.revoke_certificate(
      of_ca, of_serial, of_principal, NULL, new_reason, invalid_since, by_actor, event_detail, at_time) END
  $$;

  CREATE FUNCTION certkeep.release_certificate(
    of_ca integer, of_serial bytea, expected bigint, by_actor text, event_detail jsonb, at_time timestamptz
  ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    change bigint;
    was record;
  BEGIN
    PERFORM FROM certkeep.certificate WHERE ca_id = of_ca AND serial_number = of_serial AND state = 'issued';
    IF NOT FOUND THEN
      RETURN 'unknown';
    END IF;
    change := certkeep.number_status_change(of_ca);
    SELECT request_id, revocation_reason, coalesce(status_change, 0) AS version INTO was
      FROM certkeep.certificate WHERE ca_id = of_ca AND serial_number = of_serial FOR UPDATE;
    IF expected IS NOT NULL AND expected <> was.version THEN
      RETURN 'changed';
    END IF;
    IF was.revocation_reason IS DISTINCT FROM 6 THEN
      RETURN 'state';
    END IF;
    UPDATE certkeep.certificate
      SET revoked_at = NULL, revocation_reason = NULL, invalidity_date = NULL, status_change = change
      WHERE ca_id = of_ca AND serial_number = of_serial;
    UPDATE certkeep.request SET state = 'issued', disposition_message = 'Issued'
      WHERE id = was.request_id AND state = 'revoked';
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      VALUES (at_time, by_actor, 'certificate.unrevoked', 'certificate', encode(of_serial, 'hex'), 'success',
              jsonb_build_object('caId', of_ca, 'requestId', was.request_id) || event_detail);
    RETURN 'done';
  END $$;

  -- Has the authority publish new CRLs at once: they are due until one knows of this number.
  CREATE FUNCTION certkeep.order_crl(of_ca integer, by_actor text, event_detail jsonb, at_time timestamptz)
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    change bigint;
  BEGIN
    change := certkeep.number_status_change(of_ca);
    UPDATE certkeep.status_change SET crl_ordered = change WHERE ca_id = of_ca;
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      VALUES (at_time, by_actor, 'ca.crl_ordered', 'ca', of_ca::text, 'success', event_detail);
  END $$;

  CREATE FUNCTION certkeep.forget_superseded_crls(of_ca integer, of_key integer, of_kind text, newest bigint)
  RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE certkeep.crl SET crl = NULL
    WHERE ca_id = of_ca AND key_index = of_key AND kind = of_kind AND number < newest AND crl IS NOT NULL
      AND EXISTS (SELECT FROM certkeep.crl WHERE ca_id = of_ca AND key_index = of_key AND kind = of_kind
                  AND number = newest AND crl IS NOT NULL)
  $$;

  REVOKE EXECUTE ON FUNCTION certkeep.number_status_change, certkeep.revoke_certificate,
    certkeep.revoke_own_certificate, certkeep.release_certificate, certkeep.order_crl,
    certkeep.forget_superseded_crls FROM PUBLIC;
`

const GRANTS = `
  GRANT EXECUTE ON FUNCTION certkeep.revoke_own_certificate TO certkeep_front;
  GRANT EXECUTE ON FUNCTION certkeep.revoke_certificate, certkeep.release_certificate, certkeep.order_crl
    TO certkeep_console;
  GRANT EXECUTE ON FUNCTION certkeep.revoke_certificate, certkeep.number_status_change, certkeep.forget_superseded_crls
    TO certkeep_authority;
  GRANT SELECT ON certkeep.status_change TO certkeep_authority;
  GRANT SELECT, INSERT ON certkeep.crl_intent TO certkeep_authority;
  GRANT UPDATE (status_change) ON certkeep.certificate TO certkeep_authority;
  -- There is one way now.
  REVOKE UPDATE (revoked_at, revocation_reason) ON certkeep.certificate FROM certkeep_authority;
`
