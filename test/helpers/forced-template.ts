import { encodeTemplate, type CertificateTemplate } from '@app/templates'
import type { TestServer } from './server.js'

/**
 * Makes a template active and has the first CA offer it, past the linter: with SQL as the owner of the schema, which no
 * program does. Its id.
 */
export async function forceTemplate(server: TestServer, template: CertificateTemplate): Promise<number> {
  const { name, oid, majorVersion, minorVersion, schemaVersion } = template
  const definition = JSON.stringify(encodeTemplate(template))
  const [row] = await server.sql<{ readonly id: number }>(
    `INSERT INTO certkeep.template (name, oid, major, minor, schema_version, definition, state, created_at, author)
     VALUES ($1, $2, $3, $4, $5, $6, 'draft', now(), 'intruder') RETURNING id`,
    [name, oid, majorVersion, minorVersion, schemaVersion, definition]
  )
  const { id } = row as { readonly id: number }
  await server.sql(
    `UPDATE certkeep.template SET state = 'retired' WHERE lower(name) = lower($1) AND state = 'active'`,
    [name]
  )
  await server.sql(
    `UPDATE certkeep.template SET state = 'active', activated_by = 'accomplice', activated_at = now() WHERE id = $1`,
    [id]
  )
  await server.sql('INSERT INTO certkeep.ca_template (ca_id, template_name) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    server.ca.id,
    name
  ])
  return id
}

/** Changes what a version of a template says, past the trigger that keeps it, as the owner of the schema can. */
export async function tamperWithTemplate(
  server: TestServer,
  name: string,
  changes: Partial<CertificateTemplate>
): Promise<void> {
  await server.sql(`ALTER TABLE certkeep.template DISABLE TRIGGER template_is_guarded`)
  await server.sql(`UPDATE certkeep.template SET definition = definition || $2::jsonb WHERE name = $1`, [
    name,
    JSON.stringify(changes)
  ])
  await server.sql(`ALTER TABLE certkeep.template ENABLE TRIGGER template_is_guarded`)
}
