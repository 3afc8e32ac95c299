import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { decodePem } from '@app/der'
import { issue, newSerialNumber, prepareRootCertificate, prepareSubordinateCertificate } from '@app/issuance'
import { signerOf, type KeySpec } from '@app/keys'
import { decodeCertificate, decodeCertificationRequest, type Certificate } from '@app/x509'
import { renewCa } from '../../apps/cli/src/administration/renewal-actions.js'
import { administer } from './administration.js'
import type { TestServer } from './server.js'
import { nameOf } from './x509-samples.js'

const entropy = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }
const yearSeconds = 365 * 86_400

/** Renews the root of a server, as `certkeep ca rotate` does: its new certificate, then the two cross certificates. */
export async function rotateRoot(
  server: TestServer,
  key: 'same' | 'new' | KeySpec,
  years = 5
): Promise<readonly Certificate[]> {
  const { pem } = await administer(server, () => renewCa(server.ca.name, { key, years }))
  return decodePem(pem).map(({ bytes }) => decodeCertificate(bytes))
}

/** A root above a subordinate CA, which certifies what it is asked to. */
export interface ParentCa {
  readonly certificate: Certificate
  /** The certificate for a PKCS#10 and that of the parent. */
  certify(request: Uint8Array, subject?: string): Promise<readonly Uint8Array[]>
}

/** Makes a root that is none of the server's. */
export async function makeParentCa(name = 'CN=Parent CA,O=Example'): Promise<ParentCa> {
  const signer = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)
  const { scheme, publicKey } = signer
  const order = {
    subject: nameOf(name),
    publicKey,
    scheme,
    version: { certificateIndex: 0, keyIndex: 0 },
    serialNumber: newSerialNumber(entropy),
    now: new Date(),
    validitySeconds: 10 * yearSeconds
  }
  const certificate = decodeCertificate(await issue(prepareRootCertificate(order), signer))
  let certified = 0
  return {
    certificate,
    certify: async (request, subject) => {
      const asked = decodeCertificationRequest(request)
      const prepared = prepareSubordinateCertificate({
        issuer: { certificate, scheme, crlUrls: ['http://parent.example/ca.crl'], caIssuersUrls: [], ocspUrls: [] },
        subject: subject === undefined ? asked.subject.raw : nameOf(subject),
        publicKey: asked.publicKey,
        version: { certificateIndex: certified, keyIndex: certified },
        serialNumber: newSerialNumber(entropy),
        now: new Date(),
        validitySeconds: (5 + certified++) * yearSeconds
      })
      return [await issue(prepared, signer), certificate.raw]
    }
  }
}
