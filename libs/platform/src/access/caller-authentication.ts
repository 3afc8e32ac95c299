import { createHash } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import { Inject, Injectable } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import type { Clock } from '@app/core'
import { OID } from '@app/oid'
import { CertificateStore, PrincipalStore, type CredentialRow, type PrincipalRow } from '@app/storage'
import { decodeCertificate, decodeExtendedKeyUsage, findExtension } from '@app/x509'
import { CLOCK } from '../injection.js'

/** Who makes a call: a principal of the directory, and by which credential. */
export interface AuthenticatedCaller {
  readonly principal: PrincipalRow
  /** `DOMAIN\account`, as audit events and requests name whoever acts. */
  readonly name: string
  /** The bearer token's row; absent for a client certificate. */
  readonly credential?: CredentialRow
}

/** Finds out which principal of the directory makes a call. It says nothing of what the principal may do. */
@Injectable()
export class CallerAuthentication {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly certificates: CertificateStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /** By the `Authorization: Bearer` header. Undefined when it is no token that is good now. */
  async byToken(request: FastifyRequest): Promise<AuthenticatedCaller | undefined> {
    const match = /^Bearer ([\x21-\x7e]{20,200})$/i.exec(request.headers.authorization ?? '')
    if (match === null) return undefined
    const found = await this.principals.findByToken(sha256(match[1] ?? ''), this.clock.now())
    return found === undefined ? undefined : remembered(request, { ...found, name: accountNameOf(found.principal) })
  }

  /**
   * By the client certificate of the connection: one that this CA issued to the principal, for client authentication,
   * and that is neither expired nor revoked. Undefined for every other and for none.
   */
  async byCertificate(request: FastifyRequest): Promise<AuthenticatedCaller | undefined> {
    const { socket } = request.raw
    if (!(socket instanceof TLSSocket)) return undefined
    const presented = socket.getPeerX509Certificate()
    if (presented === undefined) return undefined
    // The bytes are looked up, so what the client presents is a certificate this program issued or nothing.
    const row = await this.certificates.findByFingerprint(sha256(presented.raw))
    const now = this.clock.now()
    if (row === undefined || row.state !== 'issued' || row.principalId === null || row.certificate === null)
      return undefined
    if (row.revokedAt !== null || row.notAfter < now || row.notBefore > now) return undefined
    if (!isForClientAuthentication(row.certificate)) return undefined
    const principal = await this.principals.find(row.principalId)
    if (principal === undefined || principal.disabledAt !== null) return undefined
    return remembered(request, { principal, name: accountNameOf(principal) })
  }
}

const callers = new WeakMap<FastifyRequest, string>()

/** Remembers whose call a request is, whatever becomes of it. */
export function remembered<Caller extends AuthenticatedCaller>(request: FastifyRequest, caller: Caller): Caller {
  callers.set(request, caller.name)
  return caller
}

/** Whose call a request is; undefined when nobody has proved to make it. */
export function callerNameOf(request: FastifyRequest): string | undefined {
  return callers.get(request)
}

/** The `DOMAIN\account` of a principal. */
export function accountNameOf({ domain, accountName }: Pick<PrincipalRow, 'domain' | 'accountName'>): string {
  return `${domain}\\${accountName}`
}

function sha256(secret: string | Uint8Array): Buffer {
  return createHash('sha256').update(secret).digest()
}

function isForClientAuthentication(certificate: Uint8Array): boolean {
  const usage = findExtension(decodeCertificate(certificate), OID.id_ce_extKeyUsage)
  return usage !== undefined && decodeExtendedKeyUsage(usage.value).includes(OID.id_kp_clientAuth)
}
