import { createPublicKey, verify, webcrypto } from 'node:crypto'
import { BasicConstraints, Certificate, CertificateChainValidationEngine, CryptoEngine, setEngine } from 'pkijs'
import { AppError, equalBytes } from '@app/core'
import { decodePem } from '@app/der'
import { OID } from '@app/oid'

type NodeCrypto = ConstructorParameters<typeof CryptoEngine>[0]['crypto']

/** pkijs knows no Ed25519; everything else goes through Node's WebCrypto. */
class Engine extends CryptoEngine {
  override async verifyWithPublicKey(...parameters: Parameters<CryptoEngine['verifyWithPublicKey']>): Promise<boolean> {
    const [data, signature, publicKeyInfo, signatureAlgorithm] = parameters
    if (signatureAlgorithm.algorithmId !== OID.id_Ed25519) return super.verifyWithPublicKey(...parameters)
    const spki = Buffer.from(publicKeyInfo.toSchema().toBER())
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    const bytes =
      data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    return verify(null, bytes, key, signature.valueBlock.valueHexView)
  }
}

/** Makes Node's own cryptography the one that pkijs uses, once. */
export function useNodeCryptography(): void {
  setEngine('node', new Engine({ name: 'node', crypto: webcrypto as NodeCrypto }))
}

/**
 * Verifies that a certificate chains to one of the trusted roots at the given time (RFC 5280, 6).
 * @param trust PEM of the roots
 * @param certificates DER of the certificate and of whatever may lie between, in any order; the certificate first
 * Throws `chain_invalid` with the reason.
 */
export async function verifyChain(trust: string, certificates: readonly Uint8Array[], at: Date): Promise<void> {
  useNodeCryptography()
  const roots = decodePem(trust).map(block => block.bytes)
  // Of a root among several the engine would judge another one: it takes what is there twice for the trusted one alone.
  const pinned = roots.filter(root => certificates[0] !== undefined && equalBytes(root, certificates[0]))
  const [trusted, candidates] = pinned.length > 0 ? [pinned, pinned] : [roots, certificates]
  const engine = new CertificateChainValidationEngine({
    trustedCerts: trusted.map(parse),
    // The engine validates the last certificate of its list.
    certs: candidates.toReversed().map(parse),
    checkDate: at
  })
  const { result, resultMessage, certificatePath = [] } = await engine.verify()
  const reason = result ? tooLongFor(certificatePath) : resultMessage
  if (!result || reason !== undefined) {
    throw new AppError(
      'chain_invalid',
      `The certificate does not chain to the trusted root: ${reason}. Trust the root of the CA that signed it.`
    )
  }
}

/**
 * pkijs does not look at path lengths (RFC 5280, 4.2.1.9): how many CAs may stand between a CA and the end, those not
 * counted that issued themselves. `path` has the end first.
 */
function tooLongFor(path: readonly Certificate[]): string | undefined {
  let between = 0
  for (const certificate of path.slice(1)) {
    const extension = certificate.extensions?.find(({ extnID }) => extnID === OID.id_ce_basicConstraints)
    const constraints: unknown = extension?.parsedValue
    const limit = constraints instanceof BasicConstraints ? constraints.pathLenConstraint : undefined
    if (typeof limit === 'number' && between > limit) return `a CA in it may have ${limit} CAs below and has ${between}`
    if (!certificate.issuer.isEqual(certificate.subject)) between++
  }
  return undefined
}

function parse(der: Uint8Array): Certificate {
  return Certificate.fromBER(Uint8Array.from(der))
}
