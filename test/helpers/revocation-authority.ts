import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { randomBytes } from 'node:crypto'
import { encodeInteger } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  encodeBasicConstraints,
  encodeCrl,
  encodeCrlDistributionPoints,
  encodeExtendedKeyUsage,
  encodeGeneralNames,
  encodeTbsCrl
} from '@app/x509'
import { buildSampleCertificate, nameOf, signSample, type SampleKey } from './x509-samples.js'

/** A CA outside of the installation, whose CRL a server of its own hands out. */
export interface RevocationAuthority {
  /** DER. */
  readonly certificate: Uint8Array
  /** A certificate of an end, for 127.0.0.1 and for clients, with the address of the CRL. */
  issue(key: SampleKey, name: string): Uint8Array
  /** Has the CRL name a certificate from now on. */
  revoke(certificate: Uint8Array): void
  /** Has the CRL name nobody. */
  forgive(): void
  /** Ends the server of the CRL; nobody answers at its address from then on. */
  stop(): Promise<void>
  /** Starts it at the same address. */
  start(): Promise<void>
}

const day = 86_400_000

/** Starts the authority and its server. */
export async function startRevocationAuthority(key: SampleKey): Promise<RevocationAuthority> {
  const now = Date.now()
  const validity = { notBefore: new Date(now - day), notAfter: new Date(now + day) }
  const issuer = nameOf('CN=Sample CA,O=Sample,C=DE')
  const certificate = buildSampleCertificate(key, {
    ...validity,
    extensions: [{ oid: OID.id_ce_basicConstraints, critical: true, value: encodeBasicConstraints({ isCa: true }) }]
  })
  const revoked: Uint8Array[] = []
  let port = 0
  let server: Server | undefined
  const crl = (): Uint8Array => {
    const entries = revoked.map(serialNumber => ({ serialNumber, revokedAt: new Date(now) }))
    const extensions = [{ oid: OID.id_ce_cRLNumber, critical: false, value: encodeInteger(1) }]
    const times = { thisUpdate: new Date(now - 3_600_000), nextUpdate: new Date(now + day) }
    const tbs = encodeTbsCrl({ scheme: key.scheme, issuer, ...times, entries, extensions })
    return encodeCrl(tbs, key.scheme, signSample(key, tbs))
  }
  const start = async (): Promise<void> => {
    server = createServer((_request, response) => response.end(crl()))
    await new Promise<void>(resolve => server?.listen(port, '127.0.0.1', resolve))
    ;({ port } = server.address() as AddressInfo)
  }
  await start()
  return {
    certificate,
    start,
    issue: (subjectKey, name) => {
      const names = encodeGeneralNames([
        { kind: 'dNSName', value: name },
        { kind: 'iPAddress', address: Uint8Array.of(127, 0, 0, 1) }
      ])
      const usages = encodeExtendedKeyUsage([OID.id_kp_serverAuth, OID.id_kp_clientAuth])
      const url = `http://127.0.0.1:${port}/sample.crl`
      return buildSampleCertificate(
        subjectKey,
        {
          ...validity,
          serialNumber: Uint8Array.of(1, ...randomBytes(8)),
          subject: nameOf(`CN=${name}`),
          extensions: [
            { oid: OID.id_ce_extKeyUsage, critical: false, value: usages },
            { oid: OID.id_ce_subjectAltName, critical: false, value: names },
            { oid: OID.id_ce_cRLDistributionPoints, critical: false, value: encodeCrlDistributionPoints([url]) }
          ]
        },
        key
      )
    },
    revoke: der => void revoked.push(decodeCertificate(der).serialNumber),
    forgive: () => void revoked.splice(0),
    stop: () =>
      new Promise(resolve => {
        server?.close(() => resolve())
        server?.closeAllConnections()
      })
  }
}
