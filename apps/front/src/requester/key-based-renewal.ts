import { Inject, Injectable } from '@nestjs/common'
import { attempt, type Clock } from '@app/core'
import { CR_IN, parseSubmitFlags, readEnrollmentRequest, type RenewalWish } from '@app/cmc'
import { decodeDerPemOrBase64 } from '@app/der'
import { accountNameOf, CLOCK } from '@app/platform'
import { isKeyBasedRenewalAllowed, requireSoundRenewal } from '@app/policy'
import { CertificateStore, PrincipalStore, TemplateStore } from '@app/storage'
import { submitBody } from '../enrollment/enrollment.schemas.js'
import type { AuthenticatedRequester } from './requester.js'

/**
 * Renewals that need no credential: the old key's signature replaces it (MS-WCCE 3.2.1.4.2.1.4, CR_IN_ROBO). Whoever has
 * nothing but the key of a certificate gets that certificate renewed, and nothing else.
 */
@Injectable()
export class KeyBasedRenewal {
  constructor(
    private readonly certificates: CertificateStore,
    private readonly principals: PrincipalStore,
    private readonly templates: TemplateStore,
    @Inject(CLOCK) private readonly clock: Clock
  ) {}

  /**
   * Whose certificate a message renews: with every signature verified, the old certificate one of this installation that
   * may be renewed, and its template one that lets the key stand for a credential. Undefined for everything else.
   */
  async authenticate(body: unknown, route: 'flagged' | 'by-message'): Promise<AuthenticatedRequester | undefined> {
    const renewal = renewalIn(body, route)
    if (renewal === undefined) return undefined
    const record = await this.certificates.findRecord(renewal.certificate.raw)
    if (record?.principalId == null) return undefined
    const old = { certificate: renewal.certificate, record }
    if (!isSound({ ...renewal, old }, record.principalId, this.clock.now())) return undefined
    const template = record.template === null ? undefined : await this.templates.findActive(record.template)
    if (template === undefined || !isKeyBasedRenewalAllowed(template.definition)) return undefined
    const holder = await this.principals.find(record.principalId)
    if (holder === undefined) return undefined
    return { principal: holder, name: accountNameOf(holder), isByRenewal: true }
  }
}

function isSound(...renewal: Parameters<typeof requireSoundRenewal>): boolean {
  return (
    attempt(() => {
      requireSoundRenewal(...renewal)
      return true
    }) === true
  )
}

/** The body is as the client sent it: whatever is not a renewal authenticates nobody. */
function renewalIn(body: unknown, route: 'flagged' | 'by-message'): RenewalWish | undefined {
  const bytes = route === 'flagged' ? flaggedMessage(body) : body
  if (!(bytes instanceof Uint8Array)) return undefined
  return attempt(() => readEnrollmentRequest(bytes, { allowSha1: true }).renewal)
}

function flaggedMessage(body: unknown): Uint8Array | undefined {
  const parsed = submitBody.safeParse(body)
  if (!parsed.success) return undefined
  const { request, flags } = parsed.data
  return attempt(() => {
    const isFlagged = (parseSubmitFlags(flags).value & CR_IN.CR_IN_ROBO) !== 0
    return isFlagged ? decodeDerPemOrBase64(Buffer.from(request, 'utf8')) : undefined
  })
}
