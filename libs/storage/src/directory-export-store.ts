import type { PrincipalId } from '@app/core'
import type { DataSource } from 'typeorm'
import type { PrincipalRow } from './principal-row.js'
import { query, type Statement } from './sql.js'

/** What an export tells of an account beyond its row. */
export interface ExportedParts {
  /** userCertificate: those published and those imported, DER, the newest first. */
  readonly certificates: readonly Buffer[]
  /** Those registered, in the order of registration. */
  readonly signCertificates: readonly { readonly identifier: string; readonly certificate: Buffer }[]
  /** Those directly in the group. */
  readonly members: readonly Pick<PrincipalRow, 'accountName' | 'domain' | 'distinguishedName'>[]
}

const CERTIFICATES: Statement = {
  text: `
    SELECT c.principal_id AS id, c.certificate FROM (
      SELECT p.principal_id, i.certificate, i.not_before FROM certkeep.published_certificate AS p
      JOIN certkeep.certificate AS i ON i.ca_id = p.ca_id AND i.serial_number = p.serial_number
      WHERE p.principal_id = ANY ($1::uuid[])
      UNION ALL
      SELECT principal_id, certificate, not_before FROM certkeep.foreign_certificate
      WHERE principal_id = ANY ($1::uuid[])
    ) AS c ORDER BY c.not_before DESC, c.certificate`
}

const SIGN_CERTIFICATES: Statement = {
  text: `
    SELECT r.principal_id AS id, r.identifier, r.certificate FROM certkeep.registered_certificate AS r
    WHERE r.principal_id = ANY ($1::uuid[]) ORDER BY r.position`
}

const MEMBERS: Statement = {
  text: `
    SELECT m.group_id AS id, p.account_name AS "accountName", p.domain, p.distinguished_name AS "distinguishedName"
    FROM certkeep.group_member AS m JOIN certkeep.principal AS p ON p.id = m.member_id
    WHERE m.group_id = ANY ($1::uuid[]) ORDER BY lower(p.domain), lower(p.account_name)`
}

type Of<T> = T & { readonly id: PrincipalId }

/** What an export of the directory tells, many accounts at a time. For the console. */
export class DirectoryExportStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The parts of each account. Of the groups in `withMembers` their members too. */
  async read(
    ids: readonly PrincipalId[],
    withMembers: readonly PrincipalId[]
  ): Promise<(id: PrincipalId) => ExportedParts> {
    const rowsOf = <T>(statement: Statement, of: readonly PrincipalId[]) =>
      query<Of<T>>(this.dataSource, undefined, statement, [of])
    const certificates = await rowsOf<{ certificate: Buffer }>(CERTIFICATES, ids)
    const signCertificates = await rowsOf<ExportedParts['signCertificates'][number]>(SIGN_CERTIFICATES, ids)
    const members = await rowsOf<ExportedParts['members'][number]>(MEMBERS, withMembers)
    const certificatesOf = Map.groupBy(certificates, row => row.id)
    const signCertificatesOf = Map.groupBy(signCertificates, row => row.id)
    const membersOf = Map.groupBy(members, row => row.id)
    return id => ({
      certificates: (certificatesOf.get(id) ?? []).map(({ certificate }) => certificate),
      signCertificates: signCertificatesOf.get(id) ?? [],
      members: membersOf.get(id) ?? []
    })
  }
}
