import { Inject, Injectable } from '@nestjs/common'
import { AppError, toHex, type Clock } from '@app/core'
import { encodeUserSignCerts } from '@app/directory'
import { CLOCK } from '@app/platform'
import {
  PrincipalStore,
  RegisteredCertificateStore,
  type PrincipalRow,
  type RegisteredCertificateRow
} from '@app/storage'
import { requireScope } from '../enrollment/access.js'
import type { AuthenticatedRequester } from '../requester/requester.js'
import { withDirectory } from './directory-errors.js'
import type { RegisteredListView } from './directory.schemas.js'

/** The certificates that are registered: everybody reads, the owner writes (MS-MQDS 3.1.4.4). */
@Injectable()
export class RegisteredCertificates {
  constructor(
    private readonly registered: RegisteredCertificateStore,
    private readonly principals: PrincipalStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** Those of an account in the order of registration. Throws `not_found`. */
  async list(user: string, requester: AuthenticatedRequester): Promise<RegisteredListView> {
    const { id, sid } = await this.getUser(user, requester)
    // The version first: what is told can only be newer than it.
    const version = await this.registered.findVersion(id)
    return { sid, etag: `"${version}"`, items: (await this.registered.list(id)).map(viewOf) }
  }

  /** One certificate, DER. Throws `not_found`. */
  async fetch(user: string, digest: string, requester: AuthenticatedRequester): Promise<Uint8Array> {
    const { id } = await this.getUser(user, requester)
    const row = await this.registered.find(id, Buffer.from(digest, 'hex'))
    if (row === undefined) throw missing(digest)
    return row.certificate
  }

  /** mSMQSignCertificates of an account: MQUSERSIGNCERTS. Throws `not_found`. */
  async export(user: string, requester: AuthenticatedRequester): Promise<Uint8Array> {
    const { id } = await this.getUser(user, requester)
    return encodeUserSignCerts(await this.registered.list(id))
  }

  /** Takes one of the caller's own from the directory. Throws `access_denied` for another's, `not_found`. */
  async deregister(user: string, digest: string, requester: AuthenticatedRequester): Promise<void> {
    requireScope(requester, 'enroll')
    const { id } = await this.getUser(user, requester)
    if (id !== requester.principal.id) {
      throw new AppError('access_denied', 'Only its owner takes a certificate from the directory here.')
    }
    const because = { actor: requester.name }
    const bytes = Buffer.from(digest, 'hex')
    const removed = await withDirectory(() => this.registered.deregister(id, bytes, because, this.clock.now()))
    if (!removed) throw missing(digest)
  }

  private async getUser(user: string, requester: AuthenticatedRequester): Promise<PrincipalRow> {
    if (user.toLowerCase() === 'me') return requester.principal
    const [only, ...others] = await this.findUsers(user)
    if (only !== undefined && others.length === 0) return only
    throw new AppError('not_found', `There is no one account "${user}".`)
  }

  private async findUsers(user: string): Promise<readonly PrincipalRow[]> {
    if (user.startsWith('S-1-')) {
      const row = await this.principals.findBySid(user)
      return row === undefined ? [] : [row]
    }
    const found = user.includes('@')
      ? await this.principals.findUsersBy('upn', user)
      : await this.principals.findByName(user)
    return found.filter(({ kind }) => kind === 'user' || kind === 'computer')
  }
}

function viewOf(row: RegisteredCertificateRow): RegisteredListView['items'][number] {
  return {
    digest: toHex(row.digest),
    sha256: toHex(row.sha256),
    identifier: row.identifier,
    kind: row.kind,
    ...(row.machineId === null ? {} : { machineId: row.machineId }),
    subject: row.subject,
    notBefore: row.notBefore.toISOString(),
    notAfter: row.notAfter.toISOString(),
    registeredAt: row.registeredAt.toISOString()
  }
}

function missing(digest: string): AppError {
  return new AppError('not_found', `The account has no certificate ${digest}.`)
}
