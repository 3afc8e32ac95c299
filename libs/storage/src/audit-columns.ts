/** The fields of an event `e` as the text that is hashed. */
export const HASHED = `
  e.seq::text AS seq, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, e.actor, e.action,
  e.object_type AS "objectType", e.object_id AS "objectId", e.outcome, e.detail::text AS detail`
