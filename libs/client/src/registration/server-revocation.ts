import { AppError, equalBytes, isAppError } from '@app/core'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  decodeCrl,
  decodeCrlDistributionPoints,
  findExtension,
  verifyCrlSignature,
  type Certificate,
  type CertificateList
} from '@app/x509'
import { hresultOfWinHttp } from './transport-error.js'

const maxBytes = 16 * 1024 * 1024

/**
 * Demands that no certificate of a server's chain is revoked, by the CRL that each of them names. The root, which nobody
 * else answers for, is left out. Throws `server_certificate_revoked`, and `revocation_offline` when for any of them there
 * is no CRL that is its issuer's, complete and of now: what cannot be found out counts as bad.
 * @param chain DER, the server's certificate first
 */
export async function requireServerUnrevoked(
  chain: readonly Uint8Array[],
  now: Date,
  signal: AbortSignal
): Promise<void> {
  const certificates = chain.map(der => decodeCertificate(der))
  for (const [index, certificate] of certificates.entries()) {
    if (equalBytes(certificate.subject.raw, certificate.issuer.raw)) return
    const issuer = certificates[index + 1]
    if (issuer === undefined) throw offline('its issuer is not known')
    const crl = await findCrl(certificate, issuer, now, signal)
    if (crl.entries.some(({ serialHex }) => serialHex === certificate.serialHex)) {
      throw new AppError(
        'server_certificate_revoked',
        'The certificate of the management point, or of a CA above it, is revoked.',
        { serialNumber: certificate.serialHex, winHttp: 12170, hresult: '0x80092010' }
      )
    }
  }
}

async function findCrl(
  certificate: Certificate,
  issuer: Certificate,
  now: Date,
  signal: AbortSignal
): Promise<CertificateList> {
  const points = findExtension(certificate, OID.id_ce_cRLDistributionPoints)
  const urls = points === undefined ? [] : decodeCrlDistributionPoints(points.value)
  let reason = 'it names no CRL that can be fetched over HTTP'
  for (const url of urls.filter(candidate => /^https?:/i.test(candidate))) {
    try {
      return requireCurrent(decodeCrl(await fetchCrl(url, signal)), issuer, now)
    } catch (error) {
      reason = `${url}: ${error instanceof Error ? error.message : String(error)}`
      if (!isAppError(error) && !(error instanceof TypeError) && !(error instanceof DOMException)) throw error
    }
  }
  throw offline(reason)
}

function requireCurrent(crl: CertificateList, issuer: Certificate, now: Date): CertificateList {
  const { thisUpdate, nextUpdate, extensions } = crl
  if (!equalBytes(crl.issuer.raw, issuer.subject.raw)) throw offline('the CRL is of another CA')
  verifyCrlSignature(crl, issuer.publicKey)
  if (nextUpdate === undefined || nextUpdate < now || thisUpdate > now) throw offline('the CRL is not one of now')
  // Such as that it is a delta, or of a part of the certificates only.
  if (extensions.some(({ critical }) => critical)) throw offline('the CRL is not of all certificates')
  return crl
}

async function fetchCrl(url: string, signal: AbortSignal): Promise<Uint8Array> {
  const response = await fetch(url, { signal, redirect: 'error' })
  if (!response.ok || response.body === null) throw offline(`the answer was ${response.status}`)
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body) {
    size += part.length
    if (size > maxBytes) throw offline('the CRL is too large')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function offline(reason: string): AppError {
  return new AppError(
    'revocation_offline',
    `Whether the certificate of the management point is revoked cannot be found out: ${reason}.`,
    { winHttp: 12057, hresult: hresultOfWinHttp(12057) }
  )
}
