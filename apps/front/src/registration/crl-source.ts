import { Inject, Injectable } from '@nestjs/common'
import { equalBytes, toHex } from '@app/core'
import { OID } from '@app/oid'
import { LOG, type Logger } from '@app/platform'
import { refused } from '@app/registration'
import { decodeCrl, decodeCrlDistributionPoints, findExtension, verifyCrlSignature, type Certificate } from '@app/x509'

const patience = 5000
const maxBytes = 16 * 1024 * 1024
/** How long a CRL is used without another look, when it is good for longer. */
const keptFor = 3_600_000
const maxKept = 200

/** What a CRL says, without its bytes. */
interface KnownCrl {
  readonly revoked: ReadonlySet<string>
  readonly until: number
}

/** CRLs of other CAs, fetched from where their certificates say, and kept until they end. Fails closed. */
@Injectable()
export class CrlSource {
  private readonly known = new Map<string, KnownCrl>()

  constructor(@Inject(LOG) private readonly log: Logger) {}

  /** Throws `registration_refused` for a certificate that is revoked, and when its CRL cannot be had or is not good. */
  async requireUnrevoked(certificate: Certificate, issuer: Certificate, now: Date): Promise<void> {
    const points = findExtension(certificate, OID.id_ce_cRLDistributionPoints)
    const urls = points === undefined ? [] : decodeCrlDistributionPoints(points.value)
    for (const url of urls.filter(candidate => /^https?:/i.test(candidate))) {
      const crl = await this.get(url, issuer, now)
      if (crl === undefined) continue
      if (crl.revoked.has(certificate.serialHex)) throw refused('The certificate is revoked.')
      return
    }
    throw refused('The revocation list of the certificate cannot be had, so the certificate is not taken.')
  }

  private async get(url: string, issuer: Certificate, now: Date): Promise<KnownCrl | undefined> {
    const name = `${url} ${toHex(issuer.publicKey.keyId)}`
    const known = this.known.get(name)
    if (known !== undefined && known.until > now.getTime()) return known
    this.known.delete(name)
    try {
      const crl = readCrl(await fetchBytes(url), issuer, now)
      if (this.known.size >= maxKept) this.known.clear()
      this.known.set(name, crl)
      return crl
    } catch (error) {
      this.log.warn({ url, error }, 'A revocation list could not be had.')
      return undefined
    }
  }
}

function readCrl(bytes: Uint8Array, issuer: Certificate, now: Date): KnownCrl {
  const crl = decodeCrl(bytes)
  if (!equalBytes(crl.issuer.raw, issuer.subject.raw)) throw refused('The revocation list is of another CA.')
  verifyCrlSignature(crl, issuer.publicKey)
  const { nextUpdate, thisUpdate, entries } = crl
  if (nextUpdate === undefined || nextUpdate < now || thisUpdate > now) {
    throw refused('The revocation list is not one of now.')
  }
  // What limits a list to some certificates, or to changes, is critical (RFC 5280, 5.2.4 and 5.2.5).
  const isPartial = crl.extensions.some(({ critical }) => critical)
  if (isPartial) throw refused('The revocation list is not of all certificates.')
  const until = Math.min(nextUpdate.getTime(), now.getTime() + keptFor)
  return { revoked: new Set(entries.map(({ serialHex }) => serialHex)), until }
}

async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url, { signal: AbortSignal.timeout(patience), redirect: 'error' })
  if (!response.ok || response.body === null) throw refused(`The answer was ${response.status}.`)
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body) {
    size += part.length
    if (size > maxBytes) throw refused('The revocation list is too large.')
    parts.push(part)
  }
  return Buffer.concat(parts)
}
