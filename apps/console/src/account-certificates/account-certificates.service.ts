import { Inject, Injectable } from '@nestjs/common'
import { AppError, asPrincipalId, toHex, type Clock } from '@app/core'
import { encodeUserSignCerts } from '@app/directory'
import { CLOCK } from '@app/platform'
import {
  PrincipalStore,
  RegisteredCertificateStore,
  type PrincipalRow,
  type RegisteredCertificateRow
} from '@app/storage'
import type { AuthenticatedOperator } from '../access/operator.js'
import type { RegisteredListView, RegisteredView } from './account-certificates.schemas.js'

/** The certificates that accounts have registered, for operators. */
@Injectable()
export class AccountCertificatesService {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly registered: RegisteredCertificateStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Those of an account. Throws `not_found`. */
  async list(id: string): Promise<RegisteredListView> {
    const account = await this.getAccount(id)
    return { items: (await this.registered.list(account.id)).map(viewOf) }
  }

  /** mSMQSignCertificates of an account: MQUSERSIGNCERTS (MS-MQMQ 2.2.21). Throws `not_found`. */
  async export(id: string): Promise<Uint8Array> {
    const account = await this.getAccount(id)
    return encodeUserSignCerts(await this.registered.list(account.id))
  }

  /** Takes a certificate from an account, whoever's it is; no message signed with it counts from now on. Throws `not_found`. */
  async deregister(id: string, digest: string, operator: AuthenticatedOperator): Promise<void> {
    const account = await this.getAccount(id)
    const bytes = Buffer.from(digest, 'hex')
    const because = { actor: operator.name }
    if (await this.registered.deregister(account.id, bytes, because, this.clock.now())) return
    throw new AppError('not_found', `The account has no certificate ${digest}.`)
  }

  private async getAccount(id: string): Promise<PrincipalRow> {
    const row = await this.principals.find(asPrincipalId(id))
    if (row !== undefined && (row.kind === 'user' || row.kind === 'computer')) return row
    throw new AppError('not_found', `There is no account ${id}.`)
  }
}

function viewOf(row: RegisteredCertificateRow): RegisteredView {
  const { identifier, kind, machineId, subject } = row
  return {
    digest: toHex(row.digest),
    sha256: toHex(row.sha256),
    identifier,
    kind,
    ...(machineId === null ? {} : { machineId }),
    subject,
    notBefore: row.notBefore.toISOString(),
    notAfter: row.notAfter.toISOString(),
    registeredAt: row.registeredAt.toISOString()
  }
}
