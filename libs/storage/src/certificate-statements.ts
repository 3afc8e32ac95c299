import { certificateEntity } from './entities.js'
import { selectList } from './entity.js'
import type { Statement } from './sql.js'

/** One array for each column, since the size of a batch must not change the text of a prepared statement. */
export const RESERVE: Statement = {
  name: 'certificate_reserve',
  text: `
    INSERT INTO certkeep.certificate (
      ca_id, serial_number, cert_index, request_id, state, archival, sealed_key_request_id, tbs, subject, not_before,
      not_after, key_id, principal_id, reserved_at)
    SELECT ca_id, serial_number, cert_index, request_id, 'reserved', archival, sealed_key_request_id, tbs, subject,
           not_before, not_after, key_id, principal_id, reserved_at
    FROM unnest($1::integer[], $2::bytea[], $3::integer[], $4::integer[], $5::boolean[], $6::integer[], $7::bytea[],
                $8::text[], $9::timestamptz[], $10::timestamptz[], $11::bytea[], $12::uuid[], $13::timestamptz[])
      AS r (ca_id, serial_number, cert_index, request_id, archival, sealed_key_request_id, tbs, subject, not_before,
            not_after, key_id, principal_id, reserved_at)`
}

export const FINISH: Statement = {
  name: 'certificate_finish',
  text: `
    UPDATE certkeep.certificate AS c
    SET state = 'issued', certificate = f.certificate, sha1 = f.sha1, sha256 = f.sha256, issued_at = f.issued_at
    FROM unnest($1::integer[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::timestamptz[])
      AS f (ca_id, serial_number, certificate, sha1, sha256, issued_at)
    WHERE c.ca_id = f.ca_id AND c.serial_number = f.serial_number AND c.state = 'reserved'
    RETURNING c.request_id`
}

/**
 * Parameters: request ids, key ids, principal ids. Two looks at the ends of the index, below and above the principal
 * itself: however often a key has been certified for it, its own certificates are not read.
 */
export const FIND_OTHER_OWNERS: Statement = {
  name: 'certificate_other_owners',
  text: `
    SELECT k.request_id AS "requestId", o.principal_id AS "principalId"
    FROM unnest($1::integer[], $2::bytea[], $3::uuid[]) AS k (request_id, key_id, principal_id)
    CROSS JOIN LATERAL (
      (SELECT c.principal_id FROM certkeep.certificate AS c
       WHERE c.key_id = k.key_id AND c.state = 'issued' AND c.principal_id < k.principal_id LIMIT 1)
      UNION ALL
      (SELECT c.principal_id FROM certkeep.certificate AS c
       WHERE c.key_id = k.key_id AND c.state = 'issued' AND c.principal_id > k.principal_id LIMIT 1)
      LIMIT 1
    ) AS o`
}

/** Parameters: CA ids, serial numbers, time, actor, detail. */
export const ABANDON: Statement = {
  text: `
    WITH abandoned AS (
      UPDATE certkeep.certificate AS c SET state = 'abandoned', sealed_key_request_id = NULL
      FROM unnest($1::integer[], $2::bytea[]) AS a (ca_id, serial_number)
      WHERE c.ca_id = a.ca_id AND c.serial_number = a.serial_number AND c.state = 'reserved'
      RETURNING c.request_id, c.serial_number
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT $3::timestamptz, $4, 'certificate.abandoned', 'certificate', encode(serial_number, 'hex'), 'success',
             jsonb_build_object('requestId', request_id) || $5::jsonb
      FROM abandoned
    )
    SELECT request_id FROM abandoned`
}

/**
 * Parameters: CA id, serial number, time, reason, actor, detail. A certificate on hold may get a final reason; it stays
 * revoked since the hold, and its request has moved before.
 */
export const REVOKE: Statement = {
  text: `
    WITH revoked AS (
      UPDATE certkeep.certificate
      SET revoked_at = coalesce(revoked_at, $3), revocation_reason = $4
      WHERE ca_id = $1 AND serial_number = $2 AND state = 'issued'
        AND (revoked_at IS NULL OR (revocation_reason = 6 AND $4 <> 6))
      RETURNING request_id
    ), moved AS (
      UPDATE certkeep.request AS r SET state = 'revoked' FROM revoked WHERE r.id = revoked.request_id AND state = 'issued'
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT $3::timestamptz, $5, 'certificate.revoked', 'certificate', encode($2, 'hex'), 'success',
             jsonb_build_object('requestId', request_id, 'reason', $4::integer) || $6::jsonb
      FROM revoked
    )
    SELECT request_id FROM revoked`
}

/** Parameters: CA id, serial number, time, actor, detail. */
export const UNREVOKE: Statement = {
  text: `
    WITH released AS (
      UPDATE certkeep.certificate SET revoked_at = NULL, revocation_reason = NULL
      WHERE ca_id = $1 AND serial_number = $2 AND state = 'issued' AND revocation_reason = 6
      RETURNING request_id
    ), moved AS (
      UPDATE certkeep.request AS r SET state = 'issued' FROM released WHERE r.id = released.request_id AND state = 'revoked'
    ), event AS (
      INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
      SELECT $3::timestamptz, $4, 'certificate.unrevoked', 'certificate', encode($2, 'hex'), 'success',
             jsonb_build_object('requestId', request_id) || $5::jsonb
      FROM released
    )
    SELECT request_id FROM released`
}

/** Parameters: CA id, key index, time. */
export const FOR_CRL: Statement = {
  text: `
    SELECT c.serial_number AS "serialNumber", coalesce(c.revoked_at, c.reserved_at) AS "revokedAt",
           c.revocation_reason AS reason
    FROM certkeep.certificate AS c
    JOIN certkeep.ca_certificate AS ca ON ca.ca_id = c.ca_id AND ca.cert_index = c.cert_index
    WHERE c.ca_id = $1 AND ca.key_index = $2 AND c.not_after >= $3
      AND (c.revoked_at IS NOT NULL OR c.state = 'abandoned')
    ORDER BY c.serial_number`
}

const ALL = `SELECT ${selectList(certificateEntity, 'c')} FROM certkeep.certificate AS c`

export const FIND_RESERVED: Statement = {
  text: `${ALL} WHERE c.state = 'reserved' AND c.request_id = ANY ($1::integer[]) ORDER BY c.request_id`
}
export const FIND_BY_SERIAL: Statement = {
  name: 'certificate_by_serial',
  text: `${ALL} WHERE c.ca_id = $1 AND c.serial_number = $2`
}
export const FIND_BY_SHA1: Statement = { text: `${ALL} WHERE c.sha1 = $1 AND c.state = 'issued'` }
export const FIND_BY_SHA256: Statement = {
  name: 'certificate_by_sha256',
  text: `${ALL} WHERE c.sha256 = $1 AND c.state = 'issued'`
}
export const FIND_BY_REQUEST: Statement = {
  name: 'certificate_by_request',
  text: `${ALL} WHERE c.request_id = $1 AND c.state = 'issued'`
}
