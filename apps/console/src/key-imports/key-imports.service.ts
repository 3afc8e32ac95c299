import { Injectable } from '@nestjs/common'
import { AppError, equalBytes, fromBase64, isAppError, toHex, type CaId } from '@app/core'
import { archivedKeyRecipient } from '@app/escrow'
import { Wakeups } from '@app/queue'
import { KeyImportStore, type KeyImportRow, type NewKeyImport } from '@app/storage'
import { NamedObjects } from '../access/named-objects.js'
import { requirePermission, type AuthenticatedOperator } from '../access/operator.js'
import { ExchangeCertificate } from './exchange-certificate.js'
import { ImportedCertificates } from './imported-certificates.js'
import type { ExchangeQuery, ExchangeView, ImportBody, ImportQuery, ImportView } from './key-imports.schemas.js'

/** Keys that come in from other archives. The console passes on what it cannot open. */
@Injectable()
export class KeyImportsService {
  constructor(
    private readonly imports: KeyImportStore,
    private readonly certificates: ImportedCertificates,
    private readonly exchange: ExchangeCertificate,
    private readonly named: NamedObjects,
    private readonly wakeups: Wakeups
  ) {}

  /** What a key is wrapped to that goes to the archive of a CA. */
  async exchangeCertificate({ ca }: ExchangeQuery, operator: AuthenticatedOperator): Promise<ExchangeView> {
    return { certificate: await this.exchange.current(await this.permittedCa(ca, operator)) }
  }

  /**
   * Takes a key in and waits for its outcome; one that was refused is told with its reason. The same call again, by its
   * id, is told the same. Throws what {@link ImportedCertificates.importOf} throws, and what a message throws that is no
   * wrapped key.
   */
  async add(body: ImportBody, { wait }: ImportQuery, operator: AuthenticatedOperator): Promise<ImportView> {
    const caId = await this.permittedCa(body.ca, operator)
    const envelope = fromBase64(body.wrappedKey)
    if (envelope === undefined) throw new AppError('pem_invalid', 'The wrapped key is not base64.')
    archivedKeyRecipient(envelope)
    const row = await this.certificates.importOf(body, caId, operator)
    await this.addOnce(row, envelope, operator)
    this.wakeups.nudge('import')
    return this.view(await this.outcome(row.id, wait))
  }

  /** What became of an import. Throws `not_found`, also for one at a CA whose archive the operator may not see. */
  async show(id: string, operator: AuthenticatedOperator): Promise<ImportView> {
    const row = await this.imports.find(id)
    if (row === undefined || !operator.may('archive.read', row.caId)) throw notFound(id)
    return this.view(row)
  }

  private async permittedCa(name: string, operator: AuthenticatedOperator): Promise<CaId> {
    const caId = (await this.named.caIdOf(name)) as CaId
    requirePermission(operator, 'archive.write', caId)
    return caId
  }

  private async addOnce(row: NewKeyImport, envelope: Uint8Array, operator: AuthenticatedOperator): Promise<void> {
    try {
      await this.imports.add(row, envelope, { actor: operator.name })
    } catch (error) {
      if (!isAppError(error, 'conflict')) throw error
      const known = await this.imports.find(row.id)
      const isSame =
        known?.caId === row.caId &&
        known.importedBy === operator.name &&
        equalBytes(known.serialNumber, row.serialNumber)
      if (!isSame) throw error
    }
  }

  /** The outcome, or how things stand when the time is up. */
  private async outcome(id: string, wait: number): Promise<KeyImportRow> {
    const deadline = Date.now() + wait * 1000
    for (let pause = 5; ; pause = Math.min(2 * pause, 250)) {
      const row = await this.imports.find(id)
      if (row === undefined) throw notFound(id)
      if (row.state !== 'received' || Date.now() >= deadline) return row
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  }

  private async view(row: KeyImportRow): Promise<ImportView> {
    const { id, state, subject, serialNumber, isForeign, ownerName, importedBy, receivedAt } = row
    const { requestId, failureCode, failureMessage } = row
    return {
      id,
      state,
      ca: (await this.named.caNames())(row.caId) ?? '',
      subject,
      serialNumber: toHex(serialNumber),
      foreign: isForeign,
      owner: ownerName,
      importedBy,
      receivedAt: receivedAt.toISOString(),
      ...(requestId === null ? {} : { requestId }),
      ...(failureCode === null ? {} : { code: failureCode }),
      ...(failureMessage === null ? {} : { message: failureMessage })
    }
  }
}

function notFound(id: string): AppError {
  return new AppError('not_found', `There is no import ${id}.`)
}
