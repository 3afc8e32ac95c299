import { certificateEntity } from './entities.js'
import { selectList } from './entity.js'
import type { Statement } from './sql.js'

/**
 * One array for each column, since the size of a batch must not change the text of a prepared statement. The event is
 * what keeps anything from being signed while the audit log cannot be written.
 */
export const RESERVE: Statement = {
  name: 'certificate_reserve',
  text: `
    WITH reserved AS (
    INSERT INTO certkeep.certificate (
      ca_id, serial_number, cert_index, request_id, state, archival, sealed_key_request_id, tbs, subject, not_before,
      not_after, key_id, principal_id, reserved_at, template_name)
    SELECT ca_id, serial_number, cert_index, request_id, 'reserved', archival, sealed_key_request_id, tbs, subject,
           not_before, not_after, key_id, principal_id, reserved_at, template_name
    FROM unnest($1::integer[], $2::bytea[], $3::integer[], $4::integer[], $5::boolean[], $6::integer[], $7::bytea[],
                $8::text[], $9::timestamptz[], $10::timestamptz[], $11::bytea[], $12::uuid[], $13::timestamptz[],
                $14::text[])
      AS r (ca_id, serial_number, cert_index, request_id, archival, sealed_key_request_id, tbs, subject, not_before,
            not_after, key_id, principal_id, reserved_at, template_name)
    RETURNING serial_number, request_id, reserved_at)
    INSERT INTO certkeep.audit_event (at, actor, action, object_type, object_id, outcome, detail)
    SELECT reserved_at, 'role:authority', 'certificate.reserved', 'certificate', encode(serial_number, 'hex'), 'success',
           jsonb_build_object('requestId', request_id)
    FROM reserved`
}

/** One array for each column: CA ids, serial numbers, certificates, SHA-1, SHA-256, times. Gives the ids of the requests. */
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

/** Parameters: CA ids, ascending. Gives the number of the next change of a status at each, and keeps others waiting. */
export const NUMBER_CHANGES: Statement = {
  text: `SELECT ca_id AS "caId", certkeep.number_status_change(ca_id) AS change FROM unnest($1::integer[]) AS c (ca_id)`
}

/** Parameters: CA ids, serial numbers, time, actor, detail, numbers of the changes. */
export const ABANDON: Statement = {
  text: `
    WITH abandoned AS (
      UPDATE certkeep.certificate AS c
      SET state = 'abandoned', sealed_key_request_id = NULL, status_change = a.status_change
      FROM unnest($1::integer[], $2::bytea[], $6::bigint[]) AS a (ca_id, serial_number, status_change)
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

const ALL = `SELECT ${selectList(certificateEntity, 'c')} FROM certkeep.certificate AS c`

/** Parameter: request ids. */
export const FIND_RESERVED: Statement = {
  text: `${ALL} WHERE c.state = 'reserved' AND c.request_id = ANY ($1::integer[]) ORDER BY c.request_id`
}

/** Parameters: CA id, serial number. In any state. */
export const FIND_BY_SERIAL: Statement = {
  name: 'certificate_by_serial',
  text: `${ALL} WHERE c.ca_id = $1 AND c.serial_number = $2`
}

/** Parameter: SHA-1 of an issued certificate. */
export const FIND_BY_SHA1: Statement = { text: `${ALL} WHERE c.sha1 = $1 AND c.state = 'issued'` }

/** Parameter: SHA-256 of an issued certificate. */
export const FIND_BY_SHA256: Statement = {
  name: 'certificate_by_sha256',
  text: `${ALL} WHERE c.sha256 = $1 AND c.state = 'issued'`
}

/** Parameter: request id. */
export const FIND_BY_REQUEST: Statement = {
  name: 'certificate_by_request',
  text: `${ALL} WHERE c.request_id = $1 AND c.state = 'issued'`
}

/** Parameter: request id. Reads the ledger where none was issued or is reserved, so not for every request. */
export const HAS_SERIALS: Statement = {
  text: `SELECT EXISTS (SELECT FROM certkeep.certificate AS c WHERE c.request_id = $1) AS found`
}

/** Parameter: SHA-256. What whoever is shown the certificate needs to know of it. */
export const FIND_RECORD: Statement = {
  name: 'certificate_record',
  text: `
    SELECT c.principal_id AS "principalId", r.template_name AS template, c.revoked_at IS NOT NULL AS "isRevoked",
           coalesce(p.disabled_at IS NULL AND p.kind <> 'system', false) AS "isPrincipalEnabled"
    FROM certkeep.certificate AS c
    JOIN certkeep.request AS r ON r.id = c.request_id
    LEFT JOIN certkeep.principal AS p ON p.id = c.principal_id
    WHERE c.sha256 = $1 AND c.state = 'issued'`
}
