import type { CaId } from '@app/core'
import { type DataSource, IsNull, Not } from 'typeorm'
import { appendChange } from './audit-log.js'
import type { AuditDetail, Because } from './audit-row.js'
import { findInBatches } from './batches.js'
import type { CaCertificateRow, CaCertificateVersion, CaRow, InstalledCaCertificate } from './ca-row.js'
import { caCertificateEntity, caEntity, caTemplateEntity } from './entities.js'
import { selectList } from './entity.js'
import { query, queryOne, type Statement } from './sql.js'
import { inTransaction, managerOf, translated, type Unit, within } from './unit.js'

/** A CA that is about to be added. */
export type NewCa = Omit<CaRow, 'id' | 'enrollGroups'>

/** A CA's certificate, or the request for one, that is about to be added. */
export type NewCaCertificate = Omit<CaCertificateRow, 'certificate' | 'chain' | 'request' | 'sha1'> & {
  readonly certificate: Uint8Array | null
  readonly chain: readonly Uint8Array[]
  readonly request: Uint8Array | null
  readonly sha1: Uint8Array | null
}

/** The certificate that a parent CA signed. */
export interface CaSigningCertificate {
  readonly certificate: Uint8Array
  /** The parents, nearest first, up to the root. */
  readonly chain: readonly Uint8Array[]
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly sha1: Uint8Array
}

const FIND_BY_NAME: Statement = {
  name: 'ca_by_name',
  text: `
    SELECT ${selectList(caEntity, 'c')} FROM certkeep.ca AS c
    WHERE lower(c.name) = lower($1) OR lower(c.sanitized_name) = lower($1) OR lower(c.short_name) = lower($1)
    ORDER BY lower(c.name) = lower($1) DESC, lower(c.sanitized_name) = lower($1) DESC LIMIT 1`
}

const ADD_OFFER: Statement = {
  text: 'INSERT INTO certkeep.ca_template (ca_id, template_name) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1'
}

const REMOVE_OFFER: Statement = {
  text: 'DELETE FROM certkeep.ca_template WHERE ca_id = $1 AND lower(template_name) = lower($2) RETURNING 1'
}

const FIND_ENROLL_GROUPS: Statement = {
  name: 'ca_enroll_groups',
  text: 'SELECT c.enroll_groups AS "enrollGroups" FROM certkeep.ca AS c WHERE c.id = $1'
}

const FIND_CURRENT: Statement = {
  name: 'ca_current_version',
  text: `
    SELECT cert_index AS "certIndex", key_index AS "keyIndex" FROM certkeep.ca_certificate
    WHERE ca_id = $1 AND certificate IS NOT NULL ORDER BY cert_index DESC LIMIT 1`
}

/** Certificate authorities. */
export class CaStore {
  private readonly named = findInBatches(
    (names: readonly string[]) => this.findAllByName(names),
    name => name
  )

  constructor(private readonly dataSource: DataSource) {}

  /** For the authority. Throws `conflict` when a CA has the name in one of its three forms. */
  add(ca: NewCa, because: Because, unit?: Unit): Promise<CaId> {
    const { dataSource } = this
    return within(dataSource, unit, async open => {
      const inserted = await translated(managerOf(dataSource, open).insert(caEntity, ca))
      const id = (inserted.identifiers[0] as Pick<CaRow, 'id'>).id
      const detail = { name: ca.name, kind: ca.kind }
      await appendChange(dataSource, open, { object: 'ca', id, verb: 'created', at: ca.createdAt, detail }, because)
      return id
    })
  }

  /** All, the oldest first. */
  list(unit?: Unit): Promise<readonly CaRow[]> {
    return translated(managerOf(this.dataSource, unit).find(caEntity, { order: { id: 'ASC' } }))
  }

  async find(id: CaId): Promise<CaRow | undefined> {
    return (await translated(this.dataSource.manager.findOne(caEntity, { where: { id } }))) ?? undefined
  }

  /** By its name, its sanitized or its short name, in this order, whatever the case (MS-WCCE 3.2.1.4.2.1.1). */
  findByName(name: string): Promise<CaRow | undefined> {
    return this.named(name)
  }

  private async findAllByName(names: readonly string[]): Promise<ReadonlyMap<unknown, CaRow>> {
    const rows = await Promise.all(names.map(name => queryOne<CaRow>(this.dataSource, undefined, FIND_BY_NAME, [name])))
    return new Map(rows.flatMap((row, index) => (row === undefined ? [] : [[names[index], row]])))
  }

  /** For the authority. Throws `conflict` when the CA has a certificate of that index. */
  addCertificate(certificate: NewCaCertificate, because: Because, now: Date, unit?: Unit): Promise<void> {
    const { dataSource } = this
    const { caId, certIndex, keyIndex } = certificate
    return within(dataSource, unit, async open => {
      const row = {
        ...certificate,
        certificate: bufferOf(certificate.certificate),
        chain: certificate.chain.map(parent => Buffer.from(parent)),
        request: bufferOf(certificate.request),
        sha1: bufferOf(certificate.sha1)
      }
      await translated(managerOf(dataSource, open).insert(caCertificateEntity, row))
      const verb = certificate.certificate === null ? 'certificate_requested' : 'certificate_added'
      const detail = { certIndex, keyIndex }
      await appendChange(dataSource, open, { object: 'ca', id: caId, verb, at: now, detail }, because)
    })
  }

  /**
   * For the authority. Fills in the certificate that a CA awaited and makes the CA active, or renews one that is. Whether
   * it did: not when that certificate was there already.
   */
  activate(
    caId: CaId,
    certIndex: number,
    certificate: CaSigningCertificate,
    because: Because,
    now: Date,
    unit?: Unit
  ): Promise<boolean> {
    const { dataSource } = this
    return within(dataSource, unit, async open => {
      const awaited = await this.fillIn(open, caId, certIndex, certificate)
      if (!awaited) return false
      await translated(managerOf(dataSource, open).update(caEntity, { id: caId }, { state: 'active' }))
      const verb = certIndex === 0 ? 'activated' : 'renewed'
      const change = { object: 'ca', id: caId, verb, at: now, detail: { certIndex } } as const
      await appendChange(dataSource, open, change, because)
      return true
    })
  }

  /** Those that a CA has, by their index. Not the one that it may await. */
  async listCertificates(caId: CaId): Promise<readonly InstalledCaCertificate[]> {
    const { manager } = this.dataSource
    const where = { caId, certificate: Not(IsNull()) }
    const rows = await translated(manager.find(caCertificateEntity, { where, order: { certIndex: 'ASC' } }))
    // A constraint has it that all of these are there together.
    return rows as InstalledCaCertificate[]
  }

  /** The certificate that a CA awaits; undefined when it awaits none. */
  async findAwaited(caId: CaId): Promise<CaCertificateRow | undefined> {
    const where = { caId, certificate: IsNull() }
    const { manager } = this.dataSource
    return (
      (await translated(manager.findOne(caCertificateEntity, { where, order: { certIndex: 'DESC' } }))) ?? undefined
    )
  }

  /** Which certificate of a CA is the newest that it has; undefined when it has none. One look at an index. */
  findCurrentVersion(caId: CaId): Promise<CaCertificateVersion | undefined> {
    return queryOne<CaCertificateVersion>(this.dataSource, undefined, FIND_CURRENT, [caId])
  }

  /**
   * For the owner. Takes back the request for a renewal that no parent has answered. Whether it did: not when the
   * certificate is there, and never for a CA's first.
   */
  withdrawRenewal(caId: CaId, certIndex: number, because: Because, now: Date): Promise<boolean> {
    const { dataSource } = this
    return inTransaction(dataSource, async unit => {
      const where = { caId, certIndex, certificate: IsNull() }
      if (certIndex === 0) return false
      const deleted = await translated(managerOf(dataSource, unit).delete(caCertificateEntity, where))
      if (deleted.affected !== 1) return false
      const change = { object: 'ca', id: caId, verb: 'renewal_withdrawn', at: now, detail: { certIndex } } as const
      await appendChange(dataSource, unit, change, because)
      return true
    })
  }

  /** For the console. Makes these templates, by name, the ones that the CA offers, and no others. */
  offer(caId: CaId, templateNames: readonly string[], because: Because, now: Date, unit?: Unit): Promise<void> {
    const { dataSource } = this
    return within(dataSource, unit, async open => {
      const manager = managerOf(dataSource, open)
      await translated(manager.delete(caTemplateEntity, { caId }))
      const rows = templateNames.map(templateName => ({ caId, templateName }))
      if (rows.length > 0) await translated(manager.insert(caTemplateEntity, rows))
      const detail = { templates: [...templateNames] }
      const change = { object: 'ca', id: caId, verb: 'templates_changed', at: now, detail } as const
      await appendChange(dataSource, open, change, because)
    })
  }

  /** For the console. Adds one template, by name, to those that the CA offers. Whether it was not there. */
  addOffer(caId: CaId, templateName: string, because: Because, now: Date): Promise<boolean> {
    return this.changeOffer(ADD_OFFER, { caId, detail: { offered: templateName } }, templateName, because, now)
  }

  /** For the console. Takes one template, by name, from those that the CA offers. Whether it was there. */
  removeOffer(caId: CaId, templateName: string, because: Because, now: Date): Promise<boolean> {
    return this.changeOffer(REMOVE_OFFER, { caId, detail: { withdrawn: templateName } }, templateName, because, now)
  }

  private changeOffer(
    statement: Statement,
    { caId, detail }: { readonly caId: CaId; readonly detail: AuditDetail },
    templateName: string,
    because: Because,
    now: Date
  ): Promise<boolean> {
    const { dataSource } = this
    return inTransaction(dataSource, async unit => {
      const changed = await query(dataSource, unit, statement, [caId, templateName])
      if (changed.length === 0) return false
      const change = { object: 'ca', id: caId, verb: 'templates_changed', at: now, detail } as const
      await appendChange(dataSource, unit, change, because)
      return true
    })
  }

  /** For the console. Says which groups may enroll at a CA; null is whoever a template lets. */
  setEnrollGroups(caId: CaId, groups: readonly string[] | null, because: Because, now: Date): Promise<void> {
    const { dataSource } = this
    return inTransaction(dataSource, async unit => {
      const enrollGroups = groups === null ? null : [...groups]
      await translated(managerOf(dataSource, unit).update(caEntity, { id: caId }, { enrollGroups }))
      const change = { object: 'ca', id: caId, verb: 'enrollment_changed', at: now, detail: { groups } } as const
      await appendChange(dataSource, unit, change, because)
    })
  }

  /** The groups that may enroll at a CA now; undefined is whoever a template lets. */
  async findEnrollGroups(caId: CaId): Promise<readonly string[] | undefined> {
    const row = await queryOne<Pick<CaRow, 'enrollGroups'>>(this.dataSource, undefined, FIND_ENROLL_GROUPS, [caId])
    return row?.enrollGroups ?? undefined
  }

  private async fillIn(unit: Unit, caId: CaId, certIndex: number, certificate: CaSigningCertificate): Promise<boolean> {
    const patch = {
      ...certificate,
      certificate: Buffer.from(certificate.certificate),
      chain: certificate.chain.map(parent => Buffer.from(parent)),
      sha1: Buffer.from(certificate.sha1)
    }
    const awaited = { caId, certIndex, certificate: IsNull() }
    const updated = await translated(managerOf(this.dataSource, unit).update(caCertificateEntity, awaited, patch))
    return updated.affected === 1
  }
}

function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}
