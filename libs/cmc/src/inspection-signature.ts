import { AppError, equalBytes, isAppError, toHex } from '@app/core'
import {
  findSignerCertificate,
  verifySignerInfo,
  type SignedData,
  type SignerInfo,
  type SignerIdentifier,
  type SignerVerificationOptions
} from '@app/cms'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import {
  decodeName,
  digestNameOf,
  findAttribute,
  formatName,
  serialHexOf,
  verifyCertificationRequest,
  verifyNullSignature,
  verifySignature,
  type CertificationRequest,
  type PublicKeyInfo
} from '@app/x509'
import { verifyCrmfProof } from './crmf.js'
import type { InspectedCheck, InspectedRequest, InspectedSignature, InspectedSigner } from './inspection.js'
import type { CmcMessage, RequestMessage } from './request-message.js'

/** Runs a check; what it refuses is reported instead of thrown. */
function check(run: () => unknown): InspectedCheck {
  try {
    run()
    return { valid: true }
  } catch (error) {
    if (!isAppError(error)) throw error
    return { valid: false, error: { code: error.code, message: error.message } }
  }
}

type Proof = InspectedRequest['proofOfPossession']

/** The signatures of a message and whether they prove possession of the requested key. SHA-1 counts as valid here. */
export function inspectSignatures(
  message: RequestMessage,
  publicKey: PublicKeyInfo
): { readonly signatures: readonly InspectedSignature[]; readonly proof: Proof } {
  switch (message.format) {
    case 'pkcs10': {
      const proof = inspectPkcs10Proof(message.request)
      return { signatures: [selfSignature(message.request.signatureAlgorithm.oid, publicKey, proof)], proof }
    }
    case 'keygen': {
      const { signatureAlgorithm, signature, signed: data } = message.request
      const proof = {
        kind: 'signature',
        ...check(() =>
          requireValid(verifySignature({ publicKey, signatureAlgorithm, data, signature, allowSha1: true }).valid)
        )
      }
      return { signatures: [selfSignature(signatureAlgorithm.oid, publicKey, proof)], proof }
    }
    case 'pkcs7':
      return {
        signatures: inspectSigners(message.signedData, undefined),
        proof: inspectPkcs10Proof(message.request)
      }
    case 'cmc':
      return { signatures: inspectSigners(message.signedData, publicKey), proof: inspectCmcProof(message) }
  }
}

function requireValid(valid: boolean): void {
  if (!valid) throw new AppError('proof_of_possession_invalid', 'The request is not signed with the key it asks for.')
}

function inspectPkcs10Proof(request: CertificationRequest): Proof {
  return { kind: 'signature', ...check(() => verifyCertificationRequest(request, { allowSha1: true })) }
}

function inspectCmcProof({ request }: CmcMessage): Proof {
  if (request.kind === 'crmf') {
    return { kind: 'crmf-signature', ...check(() => verifyCrmfProof(request.message, { allowSha1: true })) }
  }
  if (request.request.nullSignature === undefined) return inspectPkcs10Proof(request.request)
  return { kind: 'null-signature-in-cmc', ...check(() => verifyNullSignature(request.request)) }
}

function selfSignature(algorithm: string, publicKey: PublicKeyInfo, { valid, error }: Proof): InspectedSignature {
  return {
    valid,
    ...(error === undefined ? {} : { error }),
    signer: { kind: 'request-key', keyId: toHex(publicKey.keyId) },
    digestAlgorithm: digestOfSignature(algorithm)
  }
}

const SIGNATURE_DIGESTS: ReadonlyMap<string, string> = new Map([
  [OID.md5WithRSAEncryption, 'md5'],
  [OID.sha1WithRSAEncryption, 'sha1'],
  [OID.sha256WithRSAEncryption, 'sha256'],
  [OID.sha384WithRSAEncryption, 'sha384'],
  [OID.sha512WithRSAEncryption, 'sha512'],
  [OID.ecdsa_with_SHA1, 'sha1'],
  [OID.ecdsa_with_SHA256, 'sha256'],
  [OID.ecdsa_with_SHA384, 'sha384'],
  [OID.ecdsa_with_SHA512, 'sha512'],
  [OID.id_Ed25519, 'sha512'],
  [OID.md5, 'md5']
])

function digestOfSignature(oid: string): string {
  return SIGNATURE_DIGESTS.get(oid) ?? digestNameOf(oid) ?? oid
}

/** Every signer of a SignedData; `requestKey` is the key that a signer without a certificate may have. */
export function inspectSigners(
  signedData: SignedData,
  requestKey: PublicKeyInfo | undefined
): readonly InspectedSignature[] {
  return signedData.signerInfos.map(signer => {
    const isRequestKey =
      requestKey !== undefined && signer.sid.kind === 'keyId' && equalBytes(signer.sid.keyId, requestKey.keyId)
    const outcome = check(() => {
      const publicKey = isRequestKey ? requestKey : findSignerCertificate(signedData, signer.sid).publicKey
      verifySignerInfo(signedData, signer, publicKey, { allowSha1: true, ...leniencyFor(signedData, signer) })
    })
    return {
      ...outcome,
      signer: isRequestKey ? { kind: 'request-key', keyId: toHex(requestKey.keyId) } : describeSigner(signer.sid),
      digestAlgorithm: digestOfSignature(signer.digestAlgorithm.oid)
    }
  })
}

/** The two forms of PKCS#7 request outside of RFC 5652, which an inspection takes as their senders meant them. */
function leniencyFor(
  { eContentType }: SignedData,
  { signedAttributes }: SignerInfo
): Pick<SignerVerificationOptions, 'leniency'> {
  if (eContentType !== OID.id_data) return {}
  if (signedAttributes === undefined) return { leniency: 'pkcs7-renewal' }
  const isBare = findAttribute(signedAttributes.list, OID.id_contentType) === undefined
  return isBare ? { leniency: 'pkcs7-without-content-type' } : {}
}

/** A signer or recipient as a message names it. */
export function describeSigner(sid: SignerIdentifier): InspectedSigner {
  if (sid.kind === 'keyId') return { kind: 'key-identifier', keyId: toHex(sid.keyId) }
  const issuer = formatName(decodeName(DerReader.over(sid.issuer), 'issuer'))
  return { kind: 'certificate', issuer, serialNumber: serialHexOf(sid.serialNumber) }
}

/** What stands for the signature of a message that has none. */
export function missingSignature(): InspectedSignature {
  return {
    valid: false,
    error: { code: 'cms_no_signer', message: 'The message is not signed.' },
    signer: { kind: 'key-identifier', keyId: '' },
    digestAlgorithm: ''
  }
}
