import { createHash } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError, type Clock } from '@app/core'
import { OID } from '@app/oid'
import { CLOCK } from '@app/platform'
import { CertificateStore, PrincipalStore } from '@app/storage'
import { decodeCertificate, decodeExtendedKeyUsage, findExtension } from '@app/x509'
import { CallerLimits } from './caller-limits.js'
import { rememberRequester, type AuthenticatedRequester } from './requester.js'

/**
 * Lets nobody through who is not a principal of the directory: by bearer token, or by a client certificate that this
 * CA issued to the principal, for client authentication, and that is neither expired nor revoked.
 */
@Injectable()
export class RequesterGuard implements CanActivate {
  constructor(
    private readonly principals: PrincipalStore,
    private readonly certificates: CertificateStore,
    private readonly limits: CallerLimits,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>()
    this.limits.failures.check(request.ip)
    // A token that is given decides; nobody is let in by something else than what was presented for it.
    const withToken = request.headers.authorization !== undefined
    const requester = withToken ? await this.byToken(request) : await this.byCertificate(request)
    if (requester === undefined) {
      this.limits.failures.take(request.ip)
      context.switchToHttp().getResponse<FastifyReply>().header('www-authenticate', 'Bearer realm="certkeep"')
      throw new AppError(
        'unauthenticated',
        'A valid credential is needed: an "Authorization: Bearer" token, or a client certificate of this CA.'
      )
    }
    this.limits.calls.take(requester.principal.id)
    rememberRequester(request, requester)
    return true
  }

  private async byToken(request: FastifyRequest): Promise<AuthenticatedRequester | undefined> {
    const match = /^Bearer ([\x21-\x7e]{20,200})$/i.exec(request.headers.authorization ?? '')
    if (match === null) return undefined
    const hash = createHash('sha256')
      .update(match[1] ?? '')
      .digest()
    const found = await this.principals.findByToken(hash, this.clock.now())
    return found === undefined ? undefined : { ...found, name: nameOf(found.principal) }
  }

  private async byCertificate(request: FastifyRequest): Promise<AuthenticatedRequester | undefined> {
    const { socket } = request.raw
    if (!(socket instanceof TLSSocket)) return undefined
    const presented = socket.getPeerX509Certificate()
    if (presented === undefined) return undefined
    // The bytes are looked up, so what the client presents is a certificate this program issued or nothing.
    const row = await this.certificates.findByFingerprint(createHash('sha256').update(presented.raw).digest())
    const now = this.clock.now()
    if (row === undefined || row.state !== 'issued' || row.principalId === null || row.certificate === null)
      return undefined
    if (row.revokedAt !== null || row.notAfter < now || row.notBefore > now) return undefined
    if (!isForClientAuthentication(row.certificate)) return undefined
    const principal = await this.principals.find(row.principalId)
    if (principal === undefined || principal.disabledAt !== null) return undefined
    return { principal, name: nameOf(principal) }
  }
}

function isForClientAuthentication(certificate: Uint8Array): boolean {
  const usage = findExtension(decodeCertificate(certificate), OID.id_ce_extKeyUsage)
  return usage !== undefined && decodeExtendedKeyUsage(usage.value).includes(OID.id_kp_clientAuth)
}

function nameOf(principal: AuthenticatedRequester['principal']): string {
  return `${principal.domain}\\${principal.accountName}`
}
