import { equalBytes, toHex } from '@app/core'
import { OID } from '@app/oid'
import type { PublicKeyInfo } from '@app/x509'
import type { LintRule } from './lint-rule.js'

const SIGNED_BY: ReadonlyMap<string, PublicKeyInfo['algorithm']> = new Map([
  [OID.sha256WithRSAEncryption, 'rsa'],
  [OID.sha384WithRSAEncryption, 'rsa'],
  [OID.sha512WithRSAEncryption, 'rsa'],
  [OID.ecdsa_with_SHA256, 'ec'],
  [OID.ecdsa_with_SHA384, 'ec'],
  [OID.ecdsa_with_SHA512, 'ec'],
  [OID.id_Ed25519, 'ed25519']
])

/** Bits of security that the hash function of a signature algorithm gives, doubled: its size. */
const HASH_BITS: ReadonlyMap<string, number> = new Map([
  [OID.ecdsa_with_SHA256, 256],
  [OID.ecdsa_with_SHA384, 384],
  [OID.ecdsa_with_SHA512, 512]
])

/** What a certificate must have in common with the CA that signs it; a root is held against its own key. */
export const issuerRules: readonly LintRule[] = [
  {
    id: 'issuer-name',
    citation: 'RFC 5280, 4.1.2.4 and 6.1.3',
    severity: 'error',
    check: ({ above, issuer }) =>
      above === undefined || equalBytes(above.subject, issuer.raw)
        ? undefined
        : "The issuer is not the subject of the CA's certificate, byte for byte."
  },
  {
    id: 'issuer-algorithm',
    citation: 'RFC 5280, 4.1.1.2; RFC 3279, 2.2',
    severity: 'error',
    check: ({ above, publicKey, isSelfSigned, signatureAlgorithm: { oid } }) => {
      const signer = above?.publicKey ?? (isSelfSigned ? publicKey : undefined)
      const wanted = SIGNED_BY.get(oid)
      return signer === undefined || wanted === undefined || signer.algorithm === wanted
        ? undefined
        : `The signature algorithm is for keys of the kind ${wanted}, and the CA's key is of the kind ${signer.algorithm}.`
    }
  },
  {
    id: 'issuer-hash',
    citation: 'RFC 5480, 4',
    severity: 'warning',
    check: ({ above, publicKey, isSelfSigned, signatureAlgorithm: { oid } }) => {
      const signer = above?.publicKey ?? (isSelfSigned ? publicKey : undefined)
      const hash = HASH_BITS.get(oid)
      // P-521 takes SHA-512.
      return signer?.algorithm !== 'ec' || hash === undefined || hash >= Math.min(signer.bits, 512)
        ? undefined
        : `The hash function of the signature is weaker than the CA's key on ${signer.curve}.`
    }
  },
  {
    id: 'issuer-key',
    citation: 'RFC 5280, 4.2.1.1',
    severity: 'error',
    check: ({ above, authorityKeyId }) => {
      const named = authorityKeyId?.keyId
      return above === undefined || named === undefined || equalBytes(named, above.keyId)
        ? undefined
        : `The authority key identifier is not that of the CA's certificate, ${toHex(above.keyId)}.`
    }
  },
  {
    id: 'issuer-validity',
    citation: 'CA/Browser Forum S/MIME Baseline Requirements, 6.3.2; RFC 5280, 6.1.3',
    severity: 'error',
    check: ({ above, notBefore, notAfter }) =>
      above === undefined || (notBefore.date >= above.notBefore && notAfter.date <= above.notAfter)
        ? undefined
        : "The validity is not within that of the CA's certificate."
  },
  {
    id: 'issuer-path-length',
    citation: 'RFC 5280, 4.2.1.9',
    severity: 'error',
    check: ({ above, isCa, isSelfIssued, basicConstraints }) => {
      const limit = above?.pathLength
      if (limit === undefined || !isCa) return undefined
      // A self-issued certificate does not count in a path (6.1.4, l).
      const own = (basicConstraints?.pathLength ?? Infinity) + (isSelfIssued ? 0 : 1)
      return own <= limit ? undefined : `The CA may have ${limit} CAs below it, and this one allows more.`
    }
  },
  {
    id: 'root-key',
    citation: 'RFC 5280, 4.2.1.1',
    severity: 'error',
    check: ({ above, isSelfIssued, isSelfSigned }) =>
      above === undefined && isSelfIssued && !isSelfSigned
        ? 'A self-signed certificate names another key than its own as the one that signs it.'
        : undefined
  },
  {
    id: 'root-addresses',
    citation: 'CA/Browser Forum Baseline Requirements, 7.1.2.1.2',
    severity: 'warning',
    check: ({ isSelfSigned, crlUrls, access }) =>
      isSelfSigned && (crlUrls !== undefined || access !== undefined)
        ? 'A root names addresses; nobody can learn from itself that it is revoked.'
        : undefined
  }
]
